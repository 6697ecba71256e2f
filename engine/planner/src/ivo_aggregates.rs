//! Aggregates that the IVOA's catalogue describes (Catalogue of ADQL User Defined Functions 1.2).
//!
//! Nodes make no part of them: the values of all rows come here.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, ListArray, StringArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;
use spolia_adql::names;

/// Bins of a histogram at most.
const MOST_BINS: i64 = 10_000;
/// Bytes of a joined text at most.
const LONGEST_TEXT: usize = 16 << 20;

/// All of them.
pub(crate) fn all() -> [AggregateUDF; 2] {
    let exact = |types| Signature::exact(types, Volatility::Immutable);
    let numbers = vec![DataType::Float64, DataType::Float64, DataType::Float64, DataType::Int64];
    [
        AggregateUDF::from(StringAgg { signature: exact(vec![DataType::Utf8; 2]) }),
        AggregateUDF::from(Histogram { signature: exact(numbers) }),
    ]
}

/// An argument that is written out.
fn literal(args: &AccumulatorArgs, place: usize) -> Result<ScalarValue> {
    match args.exprs.get(place).and_then(|expr| expr.downcast_ref::<Literal>()) {
        Some(literal) => Ok(literal.value().clone()),
        None => plan_err!("argument {} of {} must be a literal", place + 1, args.name),
    }
}

fn list_of(values: ArrayRef, nullable: bool) -> Result<ScalarValue> {
    let item = Arc::new(Field::new("item", values.data_type().clone(), nullable));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    Ok(ScalarValue::List(Arc::new(ListArray::try_new(item, offsets, values, None)?)))
}

fn list_type(item: DataType, nullable: bool) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, nullable)))
}

/// IVO_STRING_AGG(text, delimiter).
#[derive(Debug, PartialEq, Eq, Hash)]
struct StringAgg {
    signature: Signature,
}

impl AggregateUDFImpl for StringAgg {
    fn name(&self) -> &str {
        names::IVO_STRING_AGG
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(args.name, list_type(DataType::Utf8, true), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let ScalarValue::Utf8(Some(delimiter)) = literal(&args, 1)? else {
            return plan_err!("the delimiter of {} is a string", args.name);
        };
        Ok(Box::new(Texts { delimiter, texts: Vec::new(), bytes: 0 }))
    }
}

/// The texts of a group.
#[derive(Debug)]
struct Texts {
    delimiter: String,
    texts: Vec<String>,
    bytes: usize,
}

impl Texts {
    fn add(&mut self, texts: &StringArray) -> Result<()> {
        for text in texts.iter().flatten() {
            self.bytes += text.len() + self.delimiter.len();
            if self.bytes > LONGEST_TEXT {
                return exec_err!("{} gives no texts longer than {LONGEST_TEXT} bytes", names::IVO_STRING_AGG);
            }
            self.texts.push(text.to_owned());
        }
        Ok(())
    }
}

impl Accumulator for Texts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values[0].as_string())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        // Whichever order rows come in, the answer is the same.
        self.texts.sort_unstable();
        let joined = (!self.texts.is_empty()).then(|| self.texts.join(&self.delimiter));
        Ok(ScalarValue::Utf8(joined))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes + self.texts.capacity() * size_of::<String>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let texts = StringArray::from_iter_values(std::mem::take(&mut self.texts));
        Ok(vec![list_of(Arc::new(texts), true)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let parts = states[0].as_list::<i32>();
        parts.iter().flatten().try_for_each(|part| self.add(part.as_string()))
    }
}

/// IVO_HISTOGRAM(value, lower, upper, bins).
#[derive(Debug, PartialEq, Eq, Hash)]
struct Histogram {
    signature: Signature,
}

impl AggregateUDFImpl for Histogram {
    fn name(&self) -> &str {
        names::IVO_HISTOGRAM
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(list_type(DataType::Int32, false))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(args.name, list_type(DataType::Int64, false), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let (lower, upper) = match (literal(&args, 1)?, literal(&args, 2)?) {
            (ScalarValue::Float64(Some(lower)), ScalarValue::Float64(Some(upper))) if lower < upper => (lower, upper),
            (lower, upper) => return plan_err!("{}: {lower} is not below {upper}", self.name()),
        };
        match literal(&args, 3)? {
            ScalarValue::Int64(Some(bins)) if (1..=MOST_BINS).contains(&bins) => {
                Ok(Box::new(Bins { lower, upper, counts: vec![0; bins as usize + 2] }))
            }
            bins => plan_err!("{} has 1 to {MOST_BINS} bins, not {bins}", self.name()),
        }
    }
}

/// How many values lie below, in each bin, and above.
#[derive(Debug)]
struct Bins {
    lower: f64,
    upper: f64,
    counts: Vec<i64>,
}

impl Bins {
    /// What is equal to the upper bound is not above it: it lies in the last bin.
    fn place(&self, value: Option<f64>) -> usize {
        let bins = self.counts.len() - 2;
        match value {
            Some(value) if value > self.upper => bins + 1,
            Some(value) if value >= self.lower => {
                let part = (value - self.lower) / (self.upper - self.lower);
                1 + ((part * bins as f64) as usize).min(bins - 1)
            }
            _ => 0,
        }
    }
}

impl Accumulator for Bins {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Float64Type>() {
            let place = self.place(value);
            self.counts[place] += 1;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let counts = self.counts.iter().map(|count| i32::try_from(*count).ok()).collect::<Option<Vec<i32>>>();
        match counts {
            Some(counts) => list_of(Arc::new(Int32Array::from(counts)), false),
            None => exec_err!("a bin of {} has more values than an INTEGER can count", names::IVO_HISTOGRAM),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.counts.capacity() * size_of::<i64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![list_of(Arc::new(Int64Array::from(self.counts.clone())), false)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for part in states[0].as_list::<i32>().iter().flatten() {
            let part = part.as_primitive::<Int64Type>();
            self.counts.iter_mut().zip(part.values()).for_each(|(count, more)| *count += more);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_bins() {
        let bins = Bins { lower: 0.5, upper: 3.5, counts: vec![0; 10] };
        let place = |value: f64| bins.place(Some(value));
        assert_eq!(
            [place(0.4), place(0.5), place(0.874), place(0.875), place(3.4), place(3.5), place(3.6)],
            [0, 1, 1, 2, 8, 8, 9]
        );
        assert_eq!([bins.place(None), place(f64::NEG_INFINITY), place(f64::INFINITY)], [0, 0, 9]);
    }

    #[test]
    fn parts_are_put_together() {
        let mut whole = Texts { delimiter: "-".to_owned(), texts: Vec::new(), bytes: 0 };
        for texts in [vec![Some("c"), None], vec![Some("a"), Some("b"), Some("a")], vec![]] {
            let mut part = Texts { delimiter: "-".to_owned(), texts: Vec::new(), bytes: 0 };
            part.update_batch(&[Arc::new(StringArray::from(texts))]).unwrap();
            let state = part.state().unwrap().pop().unwrap();
            whole.merge_batch(&[state.to_array().unwrap()]).unwrap();
        }
        assert_eq!(whole.evaluate().unwrap(), ScalarValue::Utf8(Some("a-a-b-c".to_owned())));
        let mut none = Texts { delimiter: "-".to_owned(), texts: Vec::new(), bytes: 0 };
        assert_eq!(none.evaluate().unwrap(), ScalarValue::Utf8(None));
    }
}
