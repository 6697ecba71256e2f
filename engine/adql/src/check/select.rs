//! One SELECT: its clauses in the order of their meaning, and the names of its result columns.

use std::collections::HashMap;

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, ObjectName, Select, SelectItem, SelectItemQualifiedWildcardKind,
    WildcardAdditionalOptions,
};
use sqlparser::tokenizer::{Location, Span};

use super::expression::{Clause, called_name};
use super::scope::{Found, Names, Scope};
use super::{Checker, OutputColumn};
use crate::error::{AdqlError, ErrorKind};
use crate::parser::MAX_COLUMNS;
use crate::tree;

/// A SELECT that has been checked.
pub(super) struct Selected {
    /// What its FROM clause makes visible; empty for a set operation.
    pub(super) scope: Scope,
    /// The columns of its result.
    pub(super) columns: Vec<OutputColumn>,
    /// The names of the columns that the query named by AS.
    pub(super) aliases: Vec<Ident>,
}

impl Checker<'_> {
    pub(super) fn select(&mut self, select: &mut Select, outer: Option<&Names>) -> Result<Selected, AdqlError> {
        let scope = self.from(&mut select.from, outer)?;
        let names = Names { scope: &scope, outer };
        if let Some(condition) = &mut select.selection {
            self.condition(condition, &names, Clause::Where)?;
        }
        let mut projection = Projection::default();
        for item in std::mem::take(&mut select.projection) {
            self.select_item(item, &names, &mut projection)?;
        }
        if let GroupByExpr::Expressions(terms, _) = &mut select.group_by {
            for term in terms {
                self.expression_or_alias(term, &names, Clause::GroupBy, &projection.aliases)?;
            }
        }
        if let Some(condition) = &mut select.having {
            self.condition(condition, &names, Clause::Having)?;
        }
        select.projection = projection.items;
        Ok(Selected { scope, columns: projection.columns, aliases: projection.aliases })
    }

    fn select_item(&mut self, item: SelectItem, names: &Names, projection: &mut Projection) -> Result<(), AdqlError> {
        match item {
            SelectItem::Wildcard(options) => {
                let found = names.scope.everything(span_of(&options));
                found.into_iter().try_for_each(|found| projection.push_found(found))?;
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let (scope, index) = qualified(names, &name)?;
                scope.columns_of(index, span_of(&options)).try_for_each(|found| projection.push_found(found))?;
            }
            SelectItem::UnnamedExpr(mut expr) => {
                let name = projection.name_of(&expr);
                let column = self.derived_column(&mut expr, name, names)?;
                projection.push(expr, column)?;
            }
            SelectItem::ExprWithAlias { mut expr, alias } => {
                let column = self.derived_column(&mut expr, String::new(), names)?;
                let name = projection.push(expr, OutputColumn { name: alias.value, ..column })?;
                projection.aliases.push(tree::quoted(&name, alias.span));
            }
            other => {
                let message = format!("{other} is not part of ADQL");
                return Err(AdqlError::new(ErrorKind::NotAdql, Location::empty(), message));
            }
        }
        Ok(())
    }

    /// Checks an expression of the select list; gives the column that it is, if it is just one, or a new one of that name.
    fn derived_column(&mut self, expr: &mut Expr, name: String, names: &Names) -> Result<OutputColumn, AdqlError> {
        let column = match &*expr {
            Expr::Identifier(name) => names.column(std::slice::from_ref(name))?.column,
            Expr::CompoundIdentifier(parts) => names.column(parts)?.column,
            computed => {
                OutputColumn { name, origin: None, meaning: self.described(computed, names), shared_name: false }
            }
        };
        self.expression(expr, names, Clause::Select)?;
        Ok(column)
    }
}

/// The relation of a `t.*`.
fn qualified<'a>(names: &Names<'a>, name: &ObjectName) -> Result<(&'a Scope, usize), AdqlError> {
    let qualifier = tree::identifiers(name);
    // A sub-query's t.* cannot mean a table of the query around it.
    let names = Names { scope: names.scope, outer: None };
    names.relation(&qualifier).map(|(_, index)| (names.scope, index))
}

fn span_of(options: &WildcardAdditionalOptions) -> Span {
    options.wildcard_token.0.span
}

/// A select list that is being written anew.
#[derive(Default)]
struct Projection {
    items: Vec<SelectItem>,
    columns: Vec<OutputColumn>,
    aliases: Vec<Ident>,
    /// By each name in lower case: the column that has it, and the last number that was appended to it.
    names: HashMap<String, (usize, usize)>,
}

impl Projection {
    fn push_found(&mut self, found: Found) -> Result<(), AdqlError> {
        self.push(found.expr, found.column).map(drop)
    }

    /// Adds a column under its name or one like it, and gives that name.
    fn push(&mut self, expr: Expr, column: OutputColumn) -> Result<String, AdqlError> {
        if self.columns.len() == MAX_COLUMNS {
            let message = format!("the result has more than {MAX_COLUMNS} columns");
            return Err(AdqlError::new(ErrorKind::TooComplex, tree::place_of(&expr), message));
        }
        let name = self.unique(&column.name);
        // A plain column has its name already; a merged one or one that must be called otherwise has not.
        let is_named = matches!(&expr, Expr::CompoundIdentifier(parts)
            if parts.last().is_some_and(|last| last.value == name));
        self.items.push(if is_named {
            SelectItem::UnnamedExpr(expr)
        } else {
            SelectItem::ExprWithAlias { expr, alias: tree::quoted(&name, Span::empty()) }
        });
        self.columns.push(OutputColumn { name: name.clone(), shared_name: false, ..column });
        Ok(name)
    }

    /// What to call an expression without alias: by its function, as PostgreSQL does, or by its position.
    fn name_of(&self, expr: &Expr) -> String {
        match expr {
            Expr::Function(call) => called_name(call).0.to_ascii_lowercase(),
            _ => format!("col_{}", self.columns.len() + 1),
        }
    }

    /// `wanted`, or with the first number appended that makes it a name of its own, in any case of letters.
    fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        if let Some((first, taken)) = self.names.get(&wanted.to_ascii_lowercase()).copied() {
            self.columns[first].shared_name = true;
            let numbered = |number: &usize| format!("{wanted}_{number}");
            let is_free = |number: &usize| !self.names.contains_key(&numbered(number).to_ascii_lowercase());
            let number = (taken + 1..).find(is_free).unwrap_or(taken);
            self.names.insert(wanted.to_ascii_lowercase(), (first, number));
            name = numbered(&number);
        }
        self.names.insert(name.to_ascii_lowercase(), (self.columns.len(), 1));
        name
    }
}
