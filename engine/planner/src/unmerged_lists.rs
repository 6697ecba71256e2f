//! Keeps lists of values apart while expressions are simplified.
//!
//! DataFusion 55.2 makes one list of `a IN (1, 2) AND a IN (3, 4)` and of `a NOT IN (1) OR a NOT IN (2)`, and of the equations in
//! `(a = 1 OR a = 2) AND (a = 3 OR a = 4)`. Where nothing is left in it, the result is false, or true, even for a NULL, of which nothing is
//! known; and what is no literal is taken to differ from all that is written otherwise.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::utils::NamePreserver;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// DataFusion's own rule, to which lists and equations are calls of a function that it knows nothing of.
#[derive(Debug)]
pub(crate) struct UnmergedLists {
    simplify: SimplifyExpressions,
    stands_for: [Arc<ScalarUDF>; 3],
}

impl UnmergedLists {
    /// The name of the rule that it is put in the place of.
    pub(crate) const NAME: &str = "simplify_expressions";

    pub(crate) fn new() -> Self {
        let stands_for = [Hidden::List, Hidden::Equal, Hidden::NotEqual];
        let function = |hidden| {
            let signature = Signature::variadic_any(Volatility::Immutable);
            Arc::new(ScalarUDF::new_from_impl(StandIn { hidden, signature }))
        };
        Self { simplify: SimplifyExpressions::new(), stands_for: stands_for.map(function) }
    }

    fn call(&self, hidden: Hidden, args: Vec<Expr>) -> Expr {
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&self.stands_for[hidden as usize]), args))
    }

    fn hidden(&self, expr: Expr) -> Result<Expr> {
        if !has_lists(&expr)? {
            return Ok(expr);
        }
        let hide = |expr: Expr| match expr {
            Expr::InList(InList { expr, list, negated }) if expr.any_column_refs() => {
                let call = self.call(Hidden::List, [*expr].into_iter().chain(list).collect());
                Ok(Transformed::yes(if negated { Expr::Not(Box::new(call)) } else { call }))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Eq | Operator::NotEq), right })
                if left.any_column_refs() || right.any_column_refs() =>
            {
                let hidden = if op == Operator::Eq { Hidden::Equal } else { Hidden::NotEqual };
                Ok(Transformed::yes(self.call(hidden, vec![*left, *right])))
            }
            other => Ok(Transformed::no(other)),
        };
        expr.transform_up(hide).map(|expr| expr.data)
    }
}

/// Whether an expression has a list, or equations of which one may be made.
fn has_lists(expr: &Expr) -> Result<bool> {
    let mut found = false;
    expr.apply(|expr| {
        found |= matches!(expr, Expr::InList(_) | Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn shown(expr: Expr) -> Result<Expr> {
    let show = |expr: Expr| match expr {
        Expr::ScalarFunction(ScalarFunction { func, mut args }) => match func.inner().downcast_ref::<StandIn>() {
            Some(StandIn { hidden: Hidden::List, .. }) if !args.is_empty() => {
                let expr = Box::new(args.remove(0));
                Ok(Transformed::yes(Expr::InList(InList { expr, list: args, negated: false })))
            }
            Some(StandIn { hidden, .. }) => match <[Expr; 2]>::try_from(args) {
                Ok([left, right]) => {
                    let op = if *hidden == Hidden::Equal { Operator::Eq } else { Operator::NotEq };
                    let (left, right) = (Box::new(left), Box::new(right));
                    Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
                }
                Err(_) => datafusion::common::internal_err!("an equation has two sides"),
            },
            None => Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))),
        },
        Expr::Not(inner) => match *inner {
            Expr::InList(list) => Ok(Transformed::yes(Expr::InList(InList { negated: !list.negated, ..list }))),
            other => Ok(Transformed::no(Expr::Not(Box::new(other)))),
        },
        other => Ok(Transformed::no(other)),
    };
    expr.transform_up(show).map(|expr| expr.data)
}

impl OptimizerRule for UnmergedLists {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.simplify.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let mut found = false;
        plan.apply_expressions(|expr| {
            found |= has_lists(expr)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        if !found {
            return self.simplify.rewrite(plan, config);
        }
        let original = plan.clone();
        let names = NamePreserver::new(&plan);
        let mut saved = Vec::new();
        let plan = plan.map_expressions(|expr| {
            saved.push(names.save(&expr));
            self.hidden(expr).map(Transformed::no)
        })?;
        let Transformed { data: plan, transformed, .. } = self.simplify.rewrite(plan.data, config)?;
        // Aggregates may come apart into several nodes, and then names do not belong to expressions any more.
        if std::mem::discriminant(&plan) != std::mem::discriminant(&original) {
            return self.simplify.rewrite(original, config);
        }
        let mut saved = saved.into_iter();
        let plan = plan.map_expressions(|expr| {
            let expr = shown(expr)?;
            Ok(Transformed::no(match saved.next() {
                Some(name) => name.restore(expr),
                None => expr,
            }))
        })?;
        Ok(Transformed::new_transformed(plan.data, transformed))
    }
}

/// What a call stands for while expressions are simplified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hidden {
    List,
    Equal,
    NotEqual,
}

/// A function that is never called.
#[derive(Debug, PartialEq, Eq, Hash)]
struct StandIn {
    hidden: Hidden,
    signature: Signature,
}

impl ScalarUDFImpl for StandIn {
    fn name(&self) -> &str {
        match self.hidden {
            Hidden::List => "adql_in_list",
            Hidden::Equal => "adql_equal",
            Hidden::NotEqual => "adql_not_equal",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // What has become a constant is left as it is, and worked out when it is a list or an equation again.
        exec_err!("{} is never called", self.name())
    }
}
