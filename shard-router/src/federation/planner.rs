//! The planner of federated queries.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Subquery};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use super::aggregate::{Grouped, group};
use super::cells::{by_cells, oriented};
use super::fragment::{Fragment, Numbers};
use super::join::{join, union};
use super::keyed::{Side, by_keys};
use super::node_query::NodeQueryPlanner;
use crate::row_bound::RowBound;
use crate::sharded_table::ShardedTable;

/// Plans a query over sharded tables: what nodes can answer goes there.
#[derive(Debug)]
pub struct FederatedPlanner {
    bound: RowBound,
}

impl FederatedPlanner {
    pub(crate) fn new(bound: RowBound) -> Self {
        Self { bound }
    }
}

#[async_trait]
impl QueryPlanner for FederatedPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = federated(plan)?;
        let nodes = NodeQueryPlanner { bound: self.bound.clone() };
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(nodes)]);
        planner.create_physical_plan(&plan, session).await
    }
}

/// The same plan, with queries for nodes in it.
pub(crate) fn federated(plan: &LogicalPlan) -> Result<LogicalPlan> {
    Federation::default().step(plan)?.plan()
}

/// A part of a plan that has been gone through.
enum Step<'a> {
    /// It may go down, and more with it.
    Down(Box<Fragment>, &'a LogicalPlan),
    /// It stays above.
    Above(LogicalPlan),
}

impl Step<'_> {
    fn side(&self) -> Side<'_> {
        match self {
            Step::Down(fragment, _) => Side::Down(fragment),
            Step::Above(plan) => Side::Above(plan),
        }
    }

    fn plan(self) -> Result<LogicalPlan> {
        match self {
            Step::Down(fragment, plan) => fragment.finish(plan.schema()),
            Step::Above(plan) => Ok(plan),
        }
    }
}

#[derive(Default)]
struct Federation {
    numbers: Numbers,
}

impl Federation {
    /// Goes through a plan, whose depth the query decides, on as much stack as that takes.
    fn step<'a>(&self, plan: &'a LogicalPlan) -> Result<Step<'a>> {
        stacker::maybe_grow(128 << 10, 2 << 20, || self.step_here(plan))
    }

    fn step_here<'a>(&self, plan: &'a LogicalPlan) -> Result<Step<'a>> {
        let mut steps = plan.inputs().into_iter().map(|input| self.step(input)).collect::<Result<Vec<_>>>()?;
        let numbers = &self.numbers;
        let down = |fragment: Fragment| Ok(Step::Down(Box::new(fragment), plan));
        match (plan, steps.as_mut_slice()) {
            (LogicalPlan::TableScan(scan), []) => {
                let provider = source_as_provider(&scan.source).ok();
                let table = provider.as_deref().and_then(|provider| provider.downcast_ref::<ShardedTable>());
                if let Some(table) = table {
                    return down(Fragment::scan(&Arc::new(table.clone()), scan.projected_schema.fields(), numbers));
                }
            }
            (LogicalPlan::SubqueryAlias(_), [Step::Down(fragment, _)]) => return down((**fragment).clone()),
            (LogicalPlan::Filter(filter), [Step::Down(fragment, input)]) if fragment.may_grow() => {
                let mut fragment = (**fragment).clone();
                let left = fragment.filter(&filter.predicate, input.schema(), numbers);
                return match conjunction(left) {
                    None => down(fragment),
                    Some(left) => {
                        let left = self.with_subqueries(left)?;
                        let input = Arc::new(fragment.finish(input.schema())?);
                        Ok(Step::Above(LogicalPlan::Filter(Filter::try_new(left, input)?)))
                    }
                };
            }
            (LogicalPlan::Projection(projection), [Step::Down(fragment, input)]) => {
                let mut fragment = (**fragment).clone();
                if fragment.project(&projection.expr, input.schema(), numbers) {
                    return down(fragment);
                }
            }
            (LogicalPlan::Sort(sort), [Step::Down(fragment, input)]) if fragment.may_grow() => {
                let mut fragment = (**fragment).clone();
                if fragment.sort(&sort.expr, sort.fetch, input.schema(), numbers) {
                    return down(fragment);
                }
            }
            (LogicalPlan::Limit(limit), [Step::Down(fragment, _)]) => {
                // Where there are several nodes, each is limited and so are all of them together.
                let wholly = fragment.limit(limit, numbers);
                if wholly {
                    return down((**fragment).clone());
                }
            }
            (LogicalPlan::Join(node), [Step::Down(left, _), Step::Down(right, _)]) => {
                // A few positions are looked around faster than all of them are put into cells.
                let few = node.on.is_empty() && oriented(node).is_some();
                if few && let Some(plan) = by_keys(node, &Side::Down(left), &Side::Down(right), numbers)? {
                    return Ok(Step::Above(plan));
                }
                if let Some(fragment) = join(node, left, right, numbers) {
                    return down(fragment);
                }
            }
            (LogicalPlan::Union(_), inputs) if inputs.iter().all(|input| matches!(input, Step::Down(..))) => {
                let fragment = |input: &Step| match input {
                    Step::Down(fragment, _) => Some((**fragment).clone()),
                    Step::Above(_) => None,
                };
                if let Some(fragment) = union(inputs.iter().filter_map(fragment).collect(), numbers) {
                    return down(fragment);
                }
            }
            (LogicalPlan::Aggregate(aggregate), [Step::Down(fragment, _)]) => {
                match group(aggregate, (**fragment).clone(), numbers) {
                    Grouped::Whole(fragment) => return down(fragment),
                    Grouped::Parts(fragment, finish) => {
                        return Ok(Step::Above(finish.plan(fragment.unnamed()?, aggregate)?));
                    }
                    Grouped::Not => {}
                }
            }
            _ => {}
        }
        if let (LogicalPlan::Join(join), [left, right]) = (plan, steps.as_slice())
            && let Some(plan) = by_keys(join, &left.side(), &right.side(), numbers)?
        {
            return Ok(Step::Above(plan));
        }
        let inputs = steps.into_iter().map(Step::plan).collect::<Result<Vec<_>>>()?;
        let expressions =
            plan.expressions().into_iter().map(|expr| self.with_subqueries(expr)).collect::<Result<_>>()?;
        Ok(Step::Above(match plan.with_new_exprs(expressions, inputs)? {
            LogicalPlan::Join(join) => by_cells(join)?,
            other => other,
        }))
    }

    /// The expression, whose own queries have been gone through.
    fn with_subqueries(&self, expr: Expr) -> Result<Expr> {
        let replace = |expr: Expr| match expr {
            Expr::ScalarSubquery(subquery) => Ok(Transformed::yes(Expr::ScalarSubquery(self.subquery(subquery)?))),
            other => Ok(Transformed::no(other)),
        };
        expr.transform_up(replace).map(|expr| expr.data)
    }

    fn subquery(&self, subquery: Subquery) -> Result<Subquery> {
        let plan = Arc::new(self.step(&subquery.subquery)?.plan()?);
        Ok(subquery.with_plan(plan))
    }
}
