//! Variances and standard deviations out of parts: counts, means, and sums of squares of differences from them. Chan, Golub and
//! LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979), formula 2.1.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

/// What is wanted of the spread of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Spread {
    root: bool,
    /// Of a sample, which is divided by one less than its count.
    sample: bool,
}

impl Spread {
    /// What DataFusion's aggregate of that name is.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "stddev" => Self { root: true, sample: true },
            "stddev_pop" => Self { root: true, sample: false },
            "var" => Self { root: false, sample: true },
            "var_pop" => Self { root: false, sample: false },
            _ => return None,
        })
    }

    fn of(self, state: &State) -> Option<f64> {
        let count = state.count - i64::from(self.sample);
        let variance = (count > 0).then(|| state.squares / count as f64);
        if self.root { variance.map(f64::sqrt) } else { variance }
    }
}

/// The aggregate of all rows, on a node.
pub(crate) fn sql(spread: Spread, argument: &str) -> String {
    let name = match (spread.root, spread.sample) {
        (true, true) => "stddev_samp",
        (true, false) => "stddev_pop",
        (false, true) => "var_samp",
        (false, false) => "var_pop",
    };
    format!("{name}({argument})")
}

/// What nodes make of their rows: count, mean, and sum of squares.
pub(crate) fn parts(argument: &str) -> [String; 3] {
    [
        format!("count({argument})"),
        format!("coalesce(avg({argument}), 0)"),
        format!("coalesce(var_pop({argument}), 0) * count({argument})"),
    ]
}

/// The aggregate that puts parts together.
pub(crate) fn merged(spread: Spread) -> AggregateUDF {
    let types = vec![DataType::Int64, DataType::Float64, DataType::Float64];
    AggregateUDF::new_from_impl(Merged { spread, signature: Signature::exact(types, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq)]
struct Merged {
    spread: Spread,
    signature: Signature,
}

impl Hash for Merged {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spread.hash(state);
    }
}

impl AggregateUDFImpl for Merged {
    fn name(&self) -> &str {
        match (self.spread.root, self.spread.sample) {
            (true, true) => "merged_stddev",
            (true, false) => "merged_stddev_pop",
            (false, true) => "merged_var",
            (false, false) => "merged_var_pop",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Merging { spread: self.spread, state: State::default() }))
    }

    fn state_fields(&self, _: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
        Ok(vec![field("count", DataType::Int64), field("mean", DataType::Float64), field("squares", DataType::Float64)])
    }
}

#[derive(Debug, Default, Clone)]
struct State {
    count: i64,
    mean: f64,
    squares: f64,
}

impl State {
    fn add(&mut self, count: i64, mean: f64, squares: f64) {
        let all = self.count + count;
        if count == 0 || all == 0 {
            return;
        }
        let (own, other, difference) = (self.count as f64, count as f64, mean - self.mean);
        self.squares += squares + difference * difference * own * other / all as f64;
        self.mean += difference * other / all as f64;
        self.count = all;
    }
}

#[derive(Debug)]
struct Merging {
    spread: Spread,
    state: State,
}

impl Accumulator for Merging {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (counts, means, squares) = (
            values[0].as_primitive::<Int64Type>(),
            values[1].as_primitive::<Float64Type>(),
            values[2].as_primitive::<Float64Type>(),
        );
        for ((count, mean), squares) in counts.iter().zip(means).zip(squares) {
            self.state.add(count.unwrap_or(0), mean.unwrap_or(0.0), squares.unwrap_or(0.0));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.spread.of(&self.state)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let State { count, mean, squares } = self.state;
        Ok(vec![count.into(), mean.into(), squares.into()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(values: &[f64]) -> State {
        let mut state = State::default();
        values.iter().for_each(|value| state.add(1, *value, 0.0));
        state
    }

    #[test]
    fn parts_make_the_whole() {
        let values: Vec<f64> = (0..100).map(|i| 1e6 + f64::from(i * i % 37)).collect();
        let mean = values.iter().sum::<f64>() / 100.0;
        let expected = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 99.0;
        let mut merged = State::default();
        for part in [&values[..0], &values[..1], &values[1..30], &values[30..]] {
            let State { count, mean, squares } = state(part);
            merged.add(count, mean, squares);
        }
        let found = Spread { root: false, sample: true }.of(&merged).unwrap();
        assert!((found - expected).abs() < 1e-9 * expected, "{found} {expected}");
    }

    #[test]
    fn one_value_has_no_spread_of_a_sample() {
        assert_eq!(Spread { root: true, sample: true }.of(&state(&[5.0])), None);
        assert_eq!(Spread { root: true, sample: false }.of(&state(&[5.0])), Some(0.0));
        assert_eq!(Spread { root: false, sample: false }.of(&State::default()), None);
    }
}
