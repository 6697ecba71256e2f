//! TOP after ORDER BY gives the same rows wherever they come from: ties are broken by all columns of the result.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Sort, SortExpr, SubqueryAlias};
use datafusion::optimizer::AnalyzerRule;

/// The key of field metadata that names the column of the same table that a column is computed from.
pub const DERIVED_FROM: &str = "derived_from";

/// Orders the rows that a query leaves equal, where only some of them are wanted. Rows that are equal in all columns are alike.
#[derive(Debug)]
pub(crate) struct TieBreak;

impl AnalyzerRule for TieBreak {
    fn name(&self) -> &str {
        "tie_break"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let limited = |plan| match plan {
            LogicalPlan::Limit(mut limit) => {
                limit.input = Arc::new(broken(&limit.input)?);
                Ok(Transformed::yes(LogicalPlan::Limit(limit)))
            }
            other => Ok(Transformed::no(other)),
        };
        Ok(plan.transform_up_with_subqueries(limited)?.data)
    }
}

/// The plan whose order, if it has one, leaves nothing open.
fn broken(plan: &LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let input = Arc::new(broken(&projection.input)?);
            let schema = Arc::clone(&projection.schema);
            Projection::try_new_with_schema(projection.expr.clone(), input, schema).map(LogicalPlan::Projection)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let input = Arc::new(broken(&alias.input)?);
            SubqueryAlias::try_new(input, alias.alias.clone()).map(LogicalPlan::SubqueryAlias)
        }
        LogicalPlan::Sort(sort) => Ok(LogicalPlan::Sort(with_all_columns(sort))),
        other => Ok(other.clone()),
    }
}

fn with_all_columns(sort: &Sort) -> Sort {
    let schema = sort.input.schema();
    let mut sort = sort.clone();
    for (qualifier, field) in schema.iter() {
        let column = Column::new(qualifier.cloned(), field.name());
        let by_another = field.metadata().get(DERIVED_FROM);
        let derived = by_another.is_some_and(|other| schema.has_column(&Column::new(qualifier.cloned(), other)));
        let column = Expr::Column(column);
        // Arrays have no order.
        if !field.data_type().is_nested() && !derived && sort.expr.iter().all(|key| key.expr != column) {
            sort.expr.push(SortExpr::new(column, true, false));
        }
    }
    sort
}
