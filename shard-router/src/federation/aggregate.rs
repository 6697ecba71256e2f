//! Groups and their aggregates: whole where a group lies on one node, else in parts that are put together above.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{
    Aggregate, Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit, when,
};

use super::expression::{Rendered, collated, column_number, is_ordered, sql_type};
use super::fragment::{Fragment, Numbers, column, outputs};
use super::statement::SqlColumn;
use super::variance::{self, Spread};

/// What becomes of groups.
pub(crate) enum Grouped {
    /// Nodes make them.
    Whole(Fragment),
    /// Nodes make parts of them; the plan puts these together, over the fragment's columns.
    Parts(Fragment, Finish),
    /// Nodes cannot.
    Not,
}

/// How parts of groups are put together: by so many first columns, and by an expression for each aggregate.
pub(crate) struct Finish {
    groups: usize,
    aggregates: Vec<Part>,
}

/// One aggregate, with the number of the first column that its parts are in.
enum Part {
    Count(usize),
    Sum(usize),
    Least(usize),
    Greatest(usize),
    /// Sum and count.
    Mean(usize),
    /// Count, mean, and the sum of squares of differences from it.
    Spread(usize, Spread),
}

/// Groups rows.
pub(crate) fn group(aggregate: &Aggregate, mut fragment: Fragment, numbers: &Numbers) -> Grouped {
    if !fragment.may_grow() {
        return Grouped::Not;
    }
    fragment.open(numbers);
    let Some(calls) = Calls::of(aggregate, &fragment) else { return Grouped::Not };
    let by_key = calls.groups.iter().any(|(number, _)| number.is_some_and(|number| fragment.keys.contains(&number)));
    if fragment.on_one_node() {
        fragment.whole = true;
    } else if !by_key {
        return match calls.in_parts(fragment) {
            Some((fragment, finish)) => Grouped::Parts(fragment, finish),
            None => Grouped::Not,
        };
    }
    match calls.whole(aggregate, fragment) {
        Some(fragment) => Grouped::Whole(fragment),
        None => Grouped::Not,
    }
}

/// The groups' expressions and the aggregates' calls, as SQL.
struct Calls {
    /// The column that the expression is, if it is just one.
    groups: Vec<(Option<usize>, SqlColumn)>,
    calls: Vec<Call>,
}

struct Call {
    name: String,
    distinct: bool,
    argument: Rendered,
    /// The column that the argument is, if it is just one.
    column: Option<usize>,
    result: DataType,
}

impl Calls {
    fn of(aggregate: &Aggregate, fragment: &Fragment) -> Option<Self> {
        let schema = aggregate.input.schema();
        let group = |expr: &Expr| {
            let resolved = fragment.resolved(expr, schema)?;
            let Rendered { sql, data_type } = fragment.rendered(expr, schema)?;
            let number = column_number(&resolved);
            let column = number.map(|number| fragment.select.columns[number].clone());
            let nullable = expr.nullable(schema).unwrap_or(true);
            let computed = SqlColumn {
                sql,
                field: Arc::new(Field::new("", data_type.clone(), nullable)),
                origin: None,
                plain: false,
            };
            is_ordered(&data_type).then(|| (number, column.unwrap_or(computed)))
        };
        let call = |expr: &Expr| {
            let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
                return None;
            };
            let plain = params.filter.is_none() && params.order_by.is_empty() && params.null_treatment.is_none();
            let [argument] = params.args.as_slice() else { return None };
            // PostgreSQL adds 64-bit integers up as it should; there is no need to make them longer before.
            let longer = match argument {
                Expr::Cast(Cast { expr, field })
                    if func.name() == "sum"
                        && matches!(field.data_type(), DataType::Decimal128(_, 0))
                        && expr.get_type(schema).ok()? == DataType::Int64 =>
                {
                    expr.as_ref()
                }
                _ => argument,
            };
            let resolved = fragment.resolved(longer, schema)?;
            plain.then_some(Call {
                name: func.name().to_owned(),
                distinct: params.distinct,
                argument: fragment.rendered(longer, schema)?,
                column: column_number(&resolved),
                result: expr.get_type(schema).ok()?,
            })
        };
        // Sets of groups have a column more.
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return None;
        }
        Some(Self {
            groups: aggregate.group_expr.iter().map(group).collect::<Option<_>>()?,
            calls: aggregate.aggr_expr.iter().map(call).collect::<Option<_>>()?,
        })
    }

    fn whole(self, aggregate: &Aggregate, mut fragment: Fragment) -> Option<Fragment> {
        let mut columns: Vec<SqlColumn> = self.groups.iter().map(|(_, column)| column.clone()).collect();
        for (call, field) in self.calls.iter().zip(&aggregate.schema.fields()[columns.len()..]) {
            columns.push(computed(call.sql()?, field.data_type().clone()));
        }
        fragment.keys = (0..self.groups.len())
            .filter(|place| self.groups[*place].0.is_some_and(|number| fragment.keys.contains(&number)))
            .collect();
        self.close(&mut fragment, columns);
        Some(fragment)
    }

    fn in_parts(self, mut fragment: Fragment) -> Option<(Fragment, Finish)> {
        let mut columns: Vec<SqlColumn> = self.groups.iter().map(|(_, column)| column.clone()).collect();
        let mut aggregates = Vec::new();
        for call in &self.calls {
            let first = columns.len();
            let by_key = call.column.is_some_and(|number| fragment.keys.contains(&number));
            aggregates.push(call.part(first, by_key)?);
            columns.extend(call.parts()?);
        }
        let finish = Finish { groups: self.groups.len(), aggregates };
        fragment.keys = Vec::new();
        self.close(&mut fragment, columns);
        Some((fragment, finish))
    }

    fn close(self, fragment: &mut Fragment, columns: Vec<SqlColumn>) {
        // Sums of doubles may differ by node in their last digits.
        fragment.everywhere = false;
        if self.groups.is_empty() {
            fragment.expect(fragment.groups().len() as f64);
        }
        fragment.select.group_by = Some(self.groups.into_iter().map(|(_, column)| column.sql).collect());
        fragment.outputs = outputs(columns.len());
        fragment.select.columns = columns;
    }
}

fn computed(sql: String, data_type: DataType) -> SqlColumn {
    SqlColumn { sql, field: Arc::new(Field::new("", data_type, true)), origin: None, plain: false }
}

impl Call {
    /// The aggregate of all rows of a group.
    fn sql(&self) -> Option<String> {
        let (distinct, argument) = (if self.distinct { "DISTINCT " } else { "" }, &self.argument.sql);
        let double = self.argument.data_type == DataType::Float64;
        Some(match self.name.as_str() {
            "count" => format!("count({distinct}{argument})"),
            "sum" => self.sum(distinct)?,
            "avg" if double => format!("avg({distinct}{argument})"),
            "min" | "max" if self.may_be_compared() => format!("{}({})", self.name, collated(&self.argument)),
            name => variance::sql(Spread::named(name).filter(|_| double && !self.distinct)?, argument),
        })
    }

    /// Sums of integers and decimals are exact, whatever their size, in the type that the plan gives them.
    fn sum(&self, distinct: &str) -> Option<String> {
        let argument = &self.argument.sql;
        match (&self.argument.data_type, &self.result) {
            (DataType::Float64, DataType::Float64) => Some(format!("sum({distinct}{argument})")),
            (DataType::Int64, DataType::Decimal128(_, 0)) => {
                Some(format!("sum({distinct}{argument})::{}", sql_type(&self.result)?))
            }
            (DataType::Decimal128(_, scale), DataType::Decimal128(_, places)) if scale == places => {
                Some(format!("sum({distinct}{argument})::{}", sql_type(&self.result)?))
            }
            _ => None,
        }
    }

    /// PostgreSQL has no least boolean, and no least bytes.
    fn may_be_compared(&self) -> bool {
        is_ordered(&self.argument.data_type) && !matches!(self.argument.data_type, DataType::Boolean | DataType::Binary)
    }

    /// What is made of the parts; nothing for what has none. What differs by the shard key differs by node.
    fn part(&self, first: usize, by_key: bool) -> Option<Part> {
        Some(match self.name.as_str() {
            "count" if !self.distinct || by_key => Part::Count(first),
            "min" => Part::Least(first),
            "max" => Part::Greatest(first),
            _ if self.distinct => return None,
            "sum" => Part::Sum(first),
            "avg" => Part::Mean(first),
            name => Part::Spread(first, Spread::named(name)?),
        })
    }

    fn parts(&self) -> Option<Vec<SqlColumn>> {
        let argument = &self.argument.sql;
        let double = self.argument.data_type == DataType::Float64;
        let whole = |data_type: DataType| Some(vec![computed(self.sql()?, data_type)]);
        match self.name.as_str() {
            "count" => whole(DataType::Int64),
            "min" | "max" | "sum" => whole(self.result.clone()),
            "avg" if double => Some(vec![
                computed(format!("sum({argument})"), DataType::Float64),
                computed(format!("count({argument})"), DataType::Int64),
            ]),
            name => {
                Spread::named(name).filter(|_| double)?;
                let [count, mean, squares] = variance::parts(argument);
                Some(vec![
                    computed(count, DataType::Int64),
                    computed(mean, DataType::Float64),
                    computed(squares, DataType::Float64),
                ])
            }
        }
    }
}

impl Finish {
    /// The plan that puts parts together; its columns are as those of the aggregate.
    pub(crate) fn plan(&self, parts: LogicalPlan, aggregate: &Aggregate) -> Result<LogicalPlan> {
        let groups: Vec<Expr> = (0..self.groups).map(column).collect();
        let mut calls: Vec<Expr> = Vec::new();
        let mut results: Vec<Expr> = groups.clone();
        for part in &self.aggregates {
            let mut call = |expr: Expr| {
                calls.push(expr.alias(format!("a{}", calls.len())));
                Expr::Column(datafusion::common::Column::new_unqualified(format!("a{}", calls.len() - 1)))
            };
            results.push(match part {
                // There may be no part at all.
                Part::Count(c) => {
                    let count = call(sum(column(*c)));
                    when(count.clone().is_not_null(), count).otherwise(lit(0i64))?
                }
                Part::Sum(c) => call(sum(column(*c))),
                Part::Least(c) => call(min(column(*c))),
                Part::Greatest(c) => call(max(column(*c))),
                Part::Mean(c) => {
                    let (sum_of, count) = (call(sum(column(*c))), call(sum(column(*c + 1))));
                    sum_of / cast(count, DataType::Float64)
                }
                Part::Spread(c, spread) => {
                    call(variance::merged(*spread).call(vec![column(*c), column(*c + 1), column(*c + 2)]))
                }
            });
        }
        let plan = LogicalPlanBuilder::from(parts).aggregate(groups, calls)?.build()?;
        let schema = Arc::clone(plan.schema());
        let result = |(expr, (qualifier, field)): (Expr, (Option<&_>, &Arc<Field>))| {
            let expr = expr.cast_to(field.data_type(), &schema)?;
            Ok(expr.alias_qualified(qualifier.cloned(), field.name()))
        };
        let results = results.into_iter().zip(aggregate.schema.iter()).map(result).collect::<Result<Vec<_>>>()?;
        LogicalPlanBuilder::from(plan).project(results)?.build()
    }
}
