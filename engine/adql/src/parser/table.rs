//! `<from_clause>`: tables, sub-queries and joins.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, SelectItem, SetExpr, TableFactor, TableWithJoins,
    WildcardAdditionalOptions,
};

use super::{MAX_TABLES, Parser, not_adql};
use crate::error::{AdqlError, ErrorKind};
use crate::tree;

/// Makes a kind of join from its condition.
type MakeJoin = fn(JoinConstraint) -> JoinOperator;

/// What parentheses in FROM hold.
enum Parenthesised {
    Query(Box<Query>),
    Joined(Box<TableWithJoins>),
}

impl Parser {
    /// The tables of `<from_clause>`.
    pub(super) fn table_references(&mut self) -> Result<Vec<TableWithJoins>, AdqlError> {
        let mut from = vec![self.table_reference()?];
        while self.eat_symbol(",") {
            from.push(self.table_reference()?);
        }
        Ok(from)
    }

    fn table_reference(&mut self) -> Result<TableWithJoins, AdqlError> {
        let relation = self.table_primary()?;
        self.joins(relation)
    }

    /// `relation` and all joins after it.
    fn joins(&mut self, relation: TableFactor) -> Result<TableWithJoins, AdqlError> {
        let mut joins = vec![];
        while let Some(join) = self.qualified_join()? {
            joins.push(join);
        }
        Ok(TableWithJoins { relation, joins })
    }

    fn table_primary(&mut self) -> Result<TableFactor, AdqlError> {
        self.bound(self.tables, MAX_TABLES, "tables and sub-queries in FROM")?;
        self.tables += 1;
        if self.eat_symbol("(") {
            let inside = self.nested(Self::parenthesised)?;
            return self.named(inside);
        }
        let mut parts = vec![self.name("a table name")?];
        while parts.len() < 3 && self.eat_symbol(".") {
            parts.push(self.name("a table name after \".\"")?);
        }
        if self.sees_symbol(0, "(") {
            let message = "table functions are not part of ADQL; FROM takes tables and sub-queries";
            return Err(not_adql(self.here(), message));
        }
        let alias = self.correlation_name()?.map(tree::table_alias);
        Ok(tree::table(tree::object_name(parts), alias))
    }

    /// What follows an opening parenthesis in FROM, and the closing one. Which of the two it is shows only after
    /// all further opening parentheses have been read.
    fn parenthesised(&mut self) -> Result<Parenthesised, AdqlError> {
        let inside = if self.sees_word(0, "SELECT") || self.sees_word(0, "WITH") {
            Parenthesised::Query(Box::new(self.select_expression(None)?))
        } else if self.eat_symbol("(") {
            match self.nested(Self::parenthesised)? {
                Parenthesised::Query(query) if !self.sees_word(0, "AS") && !self.sees_name(0) => {
                    Parenthesised::Query(Box::new(self.select_expression(Some(SetExpr::Query(query)))?))
                }
                inner => {
                    let relation = self.named(inner)?;
                    Parenthesised::Joined(Box::new(self.joins(relation)?))
                }
            }
        } else {
            Parenthesised::Joined(Box::new(self.table_reference()?))
        };
        if let Parenthesised::Joined(tables) = &inside
            && tables.joins.is_empty()
            && !matches!(tables.relation, TableFactor::NestedJoin { .. })
        {
            return Err(self.expected("JOIN: parentheses in FROM hold a join or a sub-query"));
        }
        self.expect_symbol(")")?;
        Ok(inside)
    }

    /// Gives a sub-query its name, which it must have; a join may have one.
    fn named(&mut self, inside: Parenthesised) -> Result<TableFactor, AdqlError> {
        let name = self.correlation_name()?;
        Ok(match (inside, name) {
            (Parenthesised::Query(query), Some(name)) => tree::derived_table(*query, tree::table_alias(name)),
            (Parenthesised::Query(_), None) => {
                return Err(self.expected("a name for the sub-query, as in (SELECT …) AS q"));
            }
            (Parenthesised::Joined(tables), None) => TableFactor::NestedJoin { table_with_joins: tables, alias: None },
            (Parenthesised::Joined(tables), Some(name)) => {
                tree::derived_table(all_columns(*tables), tree::table_alias(name))
            }
        })
    }

    fn correlation_name(&mut self) -> Result<Option<Ident>, AdqlError> {
        if self.eat_word("AS") || self.sees_name(0) {
            let name = self.name("a table name after AS")?;
            if self.sees_symbol(0, "(") {
                let message = "ADQL has no column lists after a table's name; name the columns by AS in a sub-query";
                // `FROM f(x)` and `FROM t LATERAL (…)` come here too, with a word that may have advice of its own.
                return Err(match self.expected("") {
                    error if error.kind == ErrorKind::NotAdql => error,
                    _ => not_adql(self.here(), message),
                });
            }
            return Ok(Some(name));
        }
        Ok(None)
    }

    /// `[NATURAL] [INNER | {LEFT | RIGHT | FULL} [OUTER]] JOIN table [ON … | USING (…)]`, if one comes next.
    fn qualified_join(&mut self) -> Result<Option<Join>, AdqlError> {
        let natural = self.eat_word("NATURAL");
        let Some(operator) = self.join_type()? else {
            return if natural { Err(self.expected("JOIN after NATURAL")) } else { Ok(None) };
        };
        let mut relation = self.table_primary()?;
        if !natural && self.sees_join() {
            // `a JOIN b JOIN c ON … ON …`: what is joined to b comes first.
            relation = self.nested(|parser| parser.joined_first(relation))?;
        }
        let at = self.here();
        let written = self.join_specification()?;
        let constraint = match written {
            JoinConstraint::None if natural => JoinConstraint::Natural,
            // These two follow the grammar, and mean nothing: checking refuses them.
            written if natural => {
                let message = "a NATURAL JOIN has no ON or USING: it is by all columns of the same name";
                let error = AdqlError::new(ErrorKind::Meaning, at, message);
                self.no_meaning.get_or_insert(error);
                written
            }
            written => written,
        };
        Ok(Some(Join { relation, global: false, join_operator: operator(constraint) }))
    }

    fn join_specification(&mut self) -> Result<JoinConstraint, AdqlError> {
        Ok(match () {
            () if self.eat_word("ON") => JoinConstraint::On(self.search_condition()?),
            () if self.eat_word("USING") => JoinConstraint::Using(self.join_columns()?),
            () => JoinConstraint::None,
        })
    }

    /// Whether a sub-query comes next. It may stand in any number of parentheses, as a value may; but no value begins with SELECT, or
    /// goes on with JOIN.
    pub(super) fn sees_table_subquery(&self) -> bool {
        let parentheses = (0..).take_while(|ahead| self.sees_symbol(*ahead, "(")).count();
        let begins_query = self.sees_word(parentheses, "SELECT") || self.sees_word(parentheses, "WITH");
        parentheses > 0 && (begins_query || self.sees_joined_table(parentheses))
    }

    /// The `<subquery>` of IN or EXISTS: a query, or a `<joined_table>`, which is all columns of a join.
    pub(super) fn table_subquery(&mut self) -> Result<Query, AdqlError> {
        self.expect_symbol("(")?;
        Ok(match self.nested(Self::parenthesised)? {
            Parenthesised::Query(query) => *query,
            Parenthesised::Joined(tables) => all_columns(*tables),
        })
    }

    /// Whether a table's name stands so many tokens ahead, and a join after it.
    fn sees_joined_table(&self, ahead: usize) -> bool {
        if !self.sees_name(ahead) {
            return false;
        }
        let parts = (0..3).take_while(|part| self.sees_symbol(ahead + 2 * part + 1, ".")).count();
        let mut next = ahead + 2 * parts + 1;
        next += usize::from(self.sees_word(next, "AS"));
        next += usize::from(self.sees_name(next));
        self.sees_join_at(next)
    }

    /// Joins `relation` with what follows, as long as that has its own conditions.
    fn joined_first(&mut self, relation: TableFactor) -> Result<TableFactor, AdqlError> {
        let table_with_joins = Box::new(self.joins(relation)?);
        Ok(TableFactor::NestedJoin { table_with_joins, alias: None })
    }

    /// Whether a join begins here.
    fn sees_join(&self) -> bool {
        self.sees_join_at(0)
    }

    /// Whether a join begins so many tokens ahead.
    fn sees_join_at(&self, ahead: usize) -> bool {
        ["NATURAL", "JOIN", "INNER", "LEFT", "RIGHT", "FULL"].iter().any(|word| self.sees_word(ahead, word))
    }

    fn join_type(&mut self) -> Result<Option<MakeJoin>, AdqlError> {
        let outer: MakeJoin = match () {
            () if self.eat_word("JOIN") => return Ok(Some(JoinOperator::Join)),
            () if self.eat_word("INNER") => {
                self.expect_word("JOIN")?;
                return Ok(Some(JoinOperator::Inner));
            }
            () if self.eat_word("LEFT") => JoinOperator::LeftOuter,
            () if self.eat_word("RIGHT") => JoinOperator::RightOuter,
            () if self.eat_word("FULL") => JoinOperator::FullOuter,
            () => return Ok(None),
        };
        self.eat_word("OUTER");
        self.expect_word("JOIN")?;
        Ok(Some(outer))
    }

    fn join_columns(&mut self) -> Result<Vec<ObjectName>, AdqlError> {
        self.expect_symbol("(")?;
        let mut columns = vec![tree::object_name([self.name("a column name")?])];
        while self.eat_symbol(",") {
            columns.push(tree::object_name([self.name("a column name")?]));
        }
        self.expect_symbol(")")?;
        Ok(columns)
    }
}

/// `SELECT * FROM tables`.
fn all_columns(tables: TableWithJoins) -> Query {
    let everything = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
    let select = tree::select(AttachedToken::empty(), everything, vec![tables]);
    tree::query(SetExpr::Select(Box::new(select)))
}
