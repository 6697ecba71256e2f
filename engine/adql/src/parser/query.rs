//! `<query_specification>`: WITH, set operations, SELECT and its clauses, ORDER BY, OFFSET.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Cte, Distinct, Expr, GroupByExpr, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, TableAlias, Top, TopQuantity,
    WildcardAdditionalOptions, With,
};
use sqlparser::tokenizer::{Token as SqlToken, TokenWithSpan};

use super::{MAX_COLUMNS, Parser, Place, not_adql};
use crate::error::AdqlError;
use crate::lexer::Token;
use crate::tree;

impl Parser {
    /// The whole text: one query, with at most one semicolon after it.
    pub(super) fn whole_query(&mut self) -> Result<Query, AdqlError> {
        let with = if self.sees_word(0, "WITH") { Some(self.with_clause()?) } else { None };
        let mut query = self.select_expression(None)?;
        query.with = with;
        if self.eat_symbol(";") && self.peek(0).token != Token::End {
            return Err(not_adql(self.here(), "only one query at a time is taken"));
        }
        if self.peek(0).token != Token::End {
            return Err(self.expected("the end of the query"));
        }
        Ok(query)
    }

    fn with_clause(&mut self) -> Result<With, AdqlError> {
        let with_token = self.attached_token();
        let mut cte_tables = vec![self.with_query()?];
        while self.eat_symbol(",") {
            cte_tables.push(self.with_query()?);
        }
        Ok(With { with_token, recursive: false, cte_tables })
    }

    fn with_query(&mut self) -> Result<Cte, AdqlError> {
        let name = self.name("the name of a WITH query")?;
        if self.sees_symbol(0, "(") && !self.sees_word(1, "SELECT") {
            let message = "ADQL's WITH takes no column list; name the columns by AS in the SELECT";
            return Err(not_adql(self.here(), message));
        }
        self.expect_word("AS")?;
        self.expect_symbol("(")?;
        let query = self.nested(|parser| parser.select_expression(None))?;
        let closing_paren_token = AttachedToken::empty();
        self.expect_symbol(")")?;
        // sqlparser prints the AS of an explicit alias before the name of a WITH query.
        let alias = TableAlias { explicit: false, ..tree::table_alias(name) };
        Ok(Cte { alias, query: Box::new(query), from: None, materialized: None, closing_paren_token })
    }

    /// `<select_expression>`; `first` is its first operand if that has been read already.
    pub(super) fn select_expression(&mut self, first: Option<SetExpr>) -> Result<Query, AdqlError> {
        let mut query = tree::query(self.query_set_expression(first)?);
        if self.eat_word("ORDER") {
            self.expect_word("BY")?;
            query.order_by = Some(self.order_by_terms()?);
        }
        if self.eat_word("OFFSET") {
            let (digits, span) = self.unsigned("a number of rows without sign or fraction after OFFSET")?;
            query.limit_clause = tree::limit_clause(None, Some(tree::number(digits, span)));
        }
        Ok(query)
    }

    /// UNION and EXCEPT, from left to right.
    fn query_set_expression(&mut self, first: Option<SetExpr>) -> Result<SetExpr, AdqlError> {
        let mut left = self.query_set_term(first)?;
        loop {
            let op = match () {
                () if self.eat_word("UNION") => SetOperator::Union,
                () if self.eat_word("EXCEPT") => SetOperator::Except,
                () => return Ok(left),
            };
            let set_quantifier = self.set_operation_quantifier()?;
            let right = self.query_set_term(None)?;
            left = SetExpr::SetOperation { left: Box::new(left), op, set_quantifier, right: Box::new(right) };
        }
    }

    /// INTERSECT, which binds closer.
    fn query_set_term(&mut self, first: Option<SetExpr>) -> Result<SetExpr, AdqlError> {
        let mut left = first.map_or_else(|| self.query_set_primary(), Ok)?;
        while self.eat_word("INTERSECT") {
            let set_quantifier = self.set_operation_quantifier()?;
            let (op, right) = (SetOperator::Intersect, self.query_set_primary()?);
            left = SetExpr::SetOperation { left: Box::new(left), op, set_quantifier, right: Box::new(right) };
        }
        Ok(left)
    }

    fn set_operation_quantifier(&mut self) -> Result<SetQuantifier, AdqlError> {
        if self.sees_word(0, "DISTINCT") {
            return Err(not_adql(self.here(), "leave DISTINCT out: without ALL no row is there twice"));
        }
        Ok(if self.eat_word("ALL") { SetQuantifier::All } else { SetQuantifier::None })
    }

    fn query_set_primary(&mut self) -> Result<SetExpr, AdqlError> {
        if self.eat_symbol("(") {
            let query = self.nested(|parser| parser.select_expression(None))?;
            self.expect_symbol(")")?;
            return Ok(SetExpr::Query(Box::new(query)));
        }
        if self.sees_word(0, "WITH") {
            return Err(not_adql(self.here(), "WITH stands only at the beginning of the whole query"));
        }
        if !self.sees_word(0, "SELECT") {
            return Err(self.refused("SELECT", Place::Query));
        }
        self.select_query().map(|select| SetExpr::Select(Box::new(select)))
    }

    fn select_query(&mut self) -> Result<Select, AdqlError> {
        let token = self.attached_token();
        let distinct = if self.eat_word("DISTINCT") { Some(Distinct::Distinct) } else { None };
        if distinct.is_some() && self.sees_word(0, "ON") && self.sees_symbol(1, "(") {
            return Err(not_adql(self.here(), "DISTINCT ON is not part of ADQL; aggregate with GROUP BY"));
        }
        if distinct.is_none() {
            self.eat_word("ALL");
        }
        let top = if self.eat_word("TOP") { Some(self.set_limit()?) } else { None };
        let projection = self.select_list()?;
        self.expect_word("FROM")?;
        let mut select = tree::select(token, projection, self.table_references()?);
        (select.distinct, select.top) = (distinct, top);
        if self.eat_word("WHERE") {
            select.selection = Some(self.search_condition()?);
        }
        if self.eat_word("GROUP") {
            self.expect_word("BY")?;
            let terms = self.value_list()?;
            self.bound(terms.len(), MAX_COLUMNS, "terms in GROUP BY")?;
            select.group_by = GroupByExpr::Expressions(terms, vec![]);
        }
        if self.eat_word("HAVING") {
            select.having = Some(self.search_condition()?);
        }
        Ok(select)
    }

    fn set_limit(&mut self) -> Result<Top, AdqlError> {
        let what = "a number of rows without sign or fraction after TOP";
        let at = self.here();
        let (digits, _) = self.unsigned(what)?;
        let rows = digits.parse().map_err(|_| not_adql(at, "the number of rows after TOP is too large"))?;
        Ok(Top { with_ties: false, percent: false, quantity: Some(TopQuantity::Constant(rows)) })
    }

    fn select_list(&mut self) -> Result<Vec<SelectItem>, AdqlError> {
        let mut items = vec![self.select_item()?];
        while self.eat_symbol(",") {
            self.bound(items.len(), MAX_COLUMNS, "columns in a select list")?;
            items.push(self.select_item()?);
        }
        Ok(items)
    }

    /// An asterisk, a `<qualifier>.*` or a `<derived_column>`.
    ///
    /// The grammar wants an asterisk to be alone; like the public corpora of queries we take it among others.
    fn select_item(&mut self) -> Result<SelectItem, AdqlError> {
        if self.sees_symbol(0, "*") {
            return Ok(SelectItem::Wildcard(self.asterisk()));
        }
        if let Some(parts) = self.qualified_asterisk() {
            let mut qualifier = vec![self.name("a table name")?];
            for _ in 1..parts {
                self.expect_symbol(".")?;
                qualifier.push(self.name("a table name")?);
            }
            self.expect_symbol(".")?;
            let kind = SelectItemQualifiedWildcardKind::ObjectName(tree::object_name(qualifier));
            return Ok(SelectItem::QualifiedWildcard(kind, self.asterisk()));
        }
        let expr = self.value_expression()?.expr;
        let explicit = self.eat_word("AS");
        if explicit || self.sees_name(0) {
            let alias = self.name("a column name after AS")?;
            return Ok(SelectItem::ExprWithAlias { expr, alias });
        }
        Ok(SelectItem::UnnamedExpr(expr))
    }

    /// How many names stand before a `.*`, if that is what comes next.
    fn qualified_asterisk(&self) -> Option<usize> {
        let parts = (1..=3).find(|parts| !self.sees_symbol(2 * parts - 1, ".") || self.sees_symbol(2 * parts, "*"))?;
        let is_asterisk = self.sees_symbol(2 * parts - 1, ".") && self.sees_symbol(2 * parts, "*");
        (is_asterisk && (0..parts).all(|part| self.sees_name(2 * part))).then_some(parts)
    }

    fn asterisk(&mut self) -> WildcardAdditionalOptions {
        let span = self.advance().span;
        let wildcard_token = AttachedToken(TokenWithSpan::new(SqlToken::Mul, span));
        WildcardAdditionalOptions { wildcard_token, ..WildcardAdditionalOptions::default() }
    }

    fn order_by_terms(&mut self) -> Result<OrderBy, AdqlError> {
        let mut terms = vec![self.order_by_term()?];
        while self.eat_symbol(",") {
            self.bound(terms.len(), MAX_COLUMNS, "terms in ORDER BY")?;
            terms.push(self.order_by_term()?);
        }
        Ok(OrderBy { kind: OrderByKind::Expressions(terms), interpolate: None })
    }

    fn order_by_term(&mut self) -> Result<OrderByExpr, AdqlError> {
        let expr = self.value_expression()?.expr;
        let asc = match () {
            () if self.eat_word("ASC") => Some(true),
            () if self.eat_word("DESC") => Some(false),
            () => None,
        };
        Ok(OrderByExpr { expr, options: OrderByOptions { asc, nulls_first: None }, with_fill: None })
    }

    /// One or more value expressions, separated by commas.
    pub(super) fn value_list(&mut self) -> Result<Vec<Expr>, AdqlError> {
        let mut values = vec![self.value_expression()?.expr];
        while self.eat_symbol(",") {
            values.push(self.value_expression()?.expr);
        }
        Ok(values)
    }

    /// The next token, kept only for its place.
    fn attached_token(&mut self) -> AttachedToken {
        AttachedToken(TokenWithSpan::new(SqlToken::make_keyword("SELECT"), self.advance().span))
    }
}
