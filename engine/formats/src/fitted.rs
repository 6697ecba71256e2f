//! Rows for a table that is there already: its columns, by their names, in its types. Nothing is rounded or cut off on the way.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, FixedSizeListArray, ListArray, RecordBatch,
    RecordBatchOptions, StringArray, make_array, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{CastOptions, cast, cast_with_options, nullif};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::field::VoField;
use crate::incoming::{message, quoted};

/// Rows that a table cannot take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A column that the table has not.
    #[error("the table has no column {column:?}; it has {known}")]
    Column {
        /// The column.
        column: String,
        /// Some of those it has.
        known: String,
    },
    /// A column that is there twice.
    #[error("column {0:?} is there twice; capitals do not tell columns apart")]
    Twice(String),
    /// A value that is none of the column's type.
    #[error("column {column:?} is of type {wanted}: {fault}")]
    Value {
        /// The column.
        column: String,
        /// Its type, in VOTable's words.
        wanted: String,
        /// What is wrong.
        fault: String,
    },
    /// Arrays of fixed length that are not there would take too much memory.
    #[error("the rows lack arrays of fixed length, which take room even as nulls; send fewer rows at once")]
    Absent,
    /// Arrow refused the rows.
    #[error("the rows cannot be put together")]
    Arrow(#[from] ArrowError),
}

/// Elements of arrays of fixed length that may be null because the rows have no such column.
const MOST_ABSENT: usize = 32 << 20;
/// Columns named in a message at most.
const NAMED: usize = 20;

/// The rows with exactly the columns of `wanted`, in its order and types. Columns find each other by their names, whatever capitals they
/// have; one that is not in the rows is null. NaN becomes null.
///
/// # Errors
/// [`FitError`] for a column that `wanted` has not, and for a value that its type cannot hold exactly (32-bit floats round).
pub fn fitted(schema: &Schema, rows: Vec<RecordBatch>, wanted: &SchemaRef) -> Result<Vec<RecordBatch>, FitError> {
    let sources = sources(schema, wanted)?;
    let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
    let absent = wanted.fields().iter().zip(&sources).filter(|(_, source)| source.is_none());
    let elements = |(field, _): (&Arc<Field>, _)| match field.data_type() {
        DataType::FixedSizeList(_, length) => usize::try_from(*length).unwrap_or(0),
        _ => 0,
    };
    if absent.map(elements).sum::<usize>().saturating_mul(count) > MOST_ABSENT {
        return Err(FitError::Absent);
    }
    // What has been fitted is let go of.
    rows.into_iter().map(|rows| fitted_batch(&rows, &sources, wanted)).collect()
}

fn fitted_batch(rows: &RecordBatch, sources: &[Option<usize>], wanted: &SchemaRef) -> Result<RecordBatch, FitError> {
    let column = |(field, source): (&Arc<Field>, &Option<usize>)| match source {
        Some(source) => fitted_column(rows.column(*source), field),
        None => Ok(new_null_array(field.data_type(), rows.num_rows())),
    };
    let columns = wanted.fields().iter().zip(sources).map(column).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(wanted), columns, &options)?)
}

/// Where each wanted column is among those that there are.
fn sources(schema: &Schema, wanted: &Schema) -> Result<Vec<Option<usize>>, FitError> {
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    for (place, field) in schema.fields().iter().enumerate() {
        if !wanted.fields().iter().any(|wanted| same(wanted.name(), field.name())) {
            let names = wanted.fields().iter().take(NAMED).map(|field| quoted(field.name()));
            let more = if wanted.fields().len() > NAMED { ", …" } else { "" };
            let known = names.collect::<Vec<_>>().join(", ") + more;
            return Err(FitError::Column { column: quoted(field.name()), known });
        }
        if schema.fields()[..place].iter().any(|other| same(other.name(), field.name())) {
            return Err(FitError::Twice(quoted(field.name())));
        }
    }
    let source = |wanted: &Arc<Field>| schema.fields().iter().position(|field| same(field.name(), wanted.name()));
    Ok(wanted.fields().iter().map(source).collect())
}

fn fitted_column(values: &ArrayRef, wanted: &Field) -> Result<ArrayRef, FitError> {
    let wrong = |fault: String| FitError::Value {
        column: quoted(wanted.name()),
        wanted: type_name(wanted),
        fault: message(&fault),
    };
    let fit = fitted_values(&without_nan(values)?, wanted.data_type()).map_err(|error| wrong(plain(&error)))?;
    Ok(without_nan(&fit)?)
}

/// Values in another type, exactly: 32-bit floats alone may round.
fn fitted_values(values: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    let found = values.data_type();
    match (element(found), element(wanted)) {
        (None, None) => {}
        // Elements first, for what is left is then a matter of lengths.
        (Some(_), Some(element)) => return strictly(&with_elements(values, element)?, wanted),
        _ => {
            let ways = "arrays come in VOTable, FITS, ECSV, Parquet and Arrow";
            return Err(ArrowError::CastError(format!("an array is wanted or found where the other has none; {ways}")));
        }
    }
    if found == wanted || *wanted == DataType::Utf8 {
        return strictly(values, wanted);
    }
    if let Some(texts) = values.as_string_opt::<i32>() {
        let texts = trimmed(texts);
        return if wanted.is_floating() { parsed(&texts, wanted) } else { strictly(&texts, wanted) };
    }
    if !is_numeric(found) || !is_numeric(wanted) {
        let kinds = "numbers, truth values and times are not taken for each other";
        return Err(ArrowError::CastError(format!("{kinds} (these are {found})")));
    }
    if *wanted == DataType::Float32 {
        return rounded(values);
    }
    // What does not fit becomes null, and is another value when it comes back.
    let fit = cast(values, wanted)?;
    let same = not_distinct(&cast(&fit, found)?, &without_sign_of_zero(values))?;
    match (0..same.len()).find(|row| !same.value(*row)) {
        Some(row) => {
            let value = cast(&values.slice(row, 1), &DataType::Utf8)?;
            Err(ArrowError::CastError(format!("it cannot hold {}", value.as_string::<i32>().value(0))))
        }
        None => Ok(fit),
    }
}

/// Texts as floats; an error where a number is too large for them.
fn parsed(texts: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    let doubles = strictly(texts, &DataType::Float64)?;
    let pairs = texts.as_string::<i32>().iter().zip(doubles.as_primitive::<Float64Type>());
    let is_too_large = |(text, double): &(&str, f64)| double.is_infinite() && !text.to_lowercase().contains("inf");
    match pairs.flat_map(|(text, double)| text.zip(double)).find(is_too_large) {
        Some((text, _)) => Err(ArrowError::CastError(format!("it cannot hold {text}"))),
        None if *wanted == DataType::Float32 => rounded(&doubles),
        None => Ok(doubles),
    }
}

/// The same numbers, zero without a sign, which integers have none for.
fn without_sign_of_zero(values: &ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::Float32 => {
            Arc::new(values.as_primitive::<Float32Type>().unary::<_, Float32Type>(|value| value + 0.0))
        }
        DataType::Float64 => {
            Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(|value| value + 0.0))
        }
        _ => Arc::clone(values),
    }
}

/// Numbers as floats of 32 bits, which may round; an error where one is too large for them.
fn rounded(values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let (exact, fit) = (cast(values, &DataType::Float64)?, cast(values, &DataType::Float32)?);
    let pairs = exact.as_primitive::<Float64Type>().iter().zip(fit.as_primitive::<Float32Type>());
    match pairs.flat_map(|(exact, fit)| exact.zip(fit)).find(|(exact, fit)| exact.is_finite() && !fit.is_finite()) {
        Some((exact, _)) => Err(ArrowError::CastError(format!("it cannot hold {exact:e}"))),
        None => Ok(fit),
    }
}

fn element(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

/// Lists with elements of another type.
fn with_elements(lists: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    let item = Arc::new(Field::new("item", wanted.clone(), true));
    if let Some(lists) = lists.as_fixed_size_list_opt() {
        let (length, nulls) = (lists.value_length(), lists.nulls().cloned());
        let held = nulls.as_ref().map(|nulls| nulls.expand(usize::try_from(length).unwrap_or(0)));
        let items = fitted_values(&only(lists.values(), held)?, wanted)?;
        return Ok(Arc::new(FixedSizeListArray::try_new(item, length, items, nulls)?));
    }
    let lists = lists.as_list::<i32>();
    let items = fitted_values(&only(lists.values(), held(lists))?, wanted)?;
    Ok(Arc::new(ListArray::try_new(item, lists.offsets().clone(), items, lists.nulls().cloned())?))
}

/// Which items are in a list that is not null.
fn held(lists: &ListArray) -> Option<NullBuffer> {
    lists.nulls()?;
    let mut held = BooleanBufferBuilder::new(lists.values().len());
    for (row, bounds) in lists.offsets().windows(2).enumerate() {
        let bounds = bounds.iter().map(|bound| usize::try_from(*bound).unwrap_or(0)).collect::<Vec<_>>();
        held.append_n(bounds[0].saturating_sub(held.len()), false);
        held.append_n(bounds[1] - bounds[0], lists.is_valid(row));
    }
    held.append_n(lists.values().len().saturating_sub(held.len()), false);
    Some(held.finish().into())
}

/// The values with nulls for those that are not held: what lies under a null list is none of its values.
fn only(values: &ArrayRef, held: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let Some(held) = held else { return Ok(Arc::clone(values)) };
    let nulls = NullBuffer::union(values.nulls(), Some(&held));
    Ok(make_array(values.to_data().into_builder().nulls(nulls).build()?))
}

/// Values in another type; an error where one cannot be.
fn strictly(values: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(values, wanted, &CastOptions { safe: false, ..CastOptions::default() })
}

/// A column's type as VOTable calls it.
fn type_name(field: &Field) -> String {
    VoField::from_arrow(field).map_or_else(
        |_| field.data_type().to_string(),
        |field| {
            let name = if field.xtype.as_deref() == Some("timestamp") { "timestamp" } else { field.datatype.name() };
            field
                .arraysize
                .filter(|_| !field.datatype.is_text())
                .map_or(name.to_owned(), |size| format!("{name}[{size}]"))
        },
    )
}

fn is_numeric(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64)
}

/// Texts without blanks around them; what is blank is null.
fn trimmed(texts: &StringArray) -> ArrayRef {
    let text = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    Arc::new(texts.iter().map(text).collect::<StringArray>())
}

/// The same with nulls for NaN, which is no value.
fn without_nan(values: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let nan: BooleanArray = match values.data_type() {
        DataType::Float32 => {
            values.as_primitive::<Float32Type>().iter().map(|v| Some(v.is_some_and(f32::is_nan))).collect()
        }
        DataType::Float64 => {
            values.as_primitive::<Float64Type>().iter().map(|v| Some(v.is_some_and(f64::is_nan))).collect()
        }
        DataType::List(item) => {
            let list = values.as_list::<i32>();
            let items = without_nan(list.values())?;
            return Ok(Arc::new(ListArray::try_new(
                Arc::clone(item),
                list.offsets().clone(),
                items,
                list.nulls().cloned(),
            )?));
        }
        DataType::FixedSizeList(item, size) => {
            let list = values.as_fixed_size_list();
            let items = without_nan(list.values())?;
            return Ok(Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *size, items, list.nulls().cloned())?));
        }
        _ => return Ok(Arc::clone(values)),
    };
    if nan.true_count() == 0 { Ok(Arc::clone(values)) } else { nullif(values, &nan) }
}

/// What Arrow has to say, without the name of its own part.
fn plain(error: &ArrowError) -> String {
    let said = error.to_string();
    said.split_once(" error: ").map_or(said.clone(), |(_, said)| said.to_owned())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Float64Array, Int16Array, Int64Array};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Int16Type, TimeUnit};

    use super::*;

    fn fit(name: &str, values: ArrayRef, wanted: DataType) -> Result<ArrayRef, String> {
        let rows = RecordBatch::try_from_iter([(name, values)]).unwrap();
        let wanted = Arc::new(Schema::new(vec![Field::new("n", wanted, true)]));
        let fitted = fitted(&rows.schema(), vec![rows], &wanted).map_err(|error| error.to_string())?;
        Ok(Arc::clone(fitted[0].column(0)))
    }

    fn texts(texts: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    #[track_caller]
    fn check(values: ArrayRef, expected: impl Array + 'static) {
        let expected: ArrayRef = Arc::new(expected);
        assert_eq!(&fit("N", values, expected.data_type().clone()).unwrap(), &expected);
    }

    #[test]
    fn values_are_taken_as_they_are() {
        check(texts(&[" 1", "", "9223372036854775807"]), Int64Array::from(vec![Some(1), None, Some(i64::MAX)]));
        check(texts(&["007", " x "]), StringArray::from(vec!["007", " x "]));
        check(texts(&["1.5", "NaN", "-inf"]), Float64Array::from(vec![Some(1.5), None, Some(f64::NEG_INFINITY)]));
        check(Arc::new(Int64Array::from(vec![Some(3), None])), Int16Array::from(vec![Some(3), None]));
        check(Arc::new(Float64Array::from(vec![2.0, f64::NAN])), Float64Array::from(vec![Some(2.0), None]));
        check(Arc::new(Float64Array::from(vec![0.1])), Float32Array::from(vec![0.1]));
        let floats = Float64Array::from(vec![4.0, f64::NAN, -0.0]);
        check(Arc::new(floats), Int64Array::from(vec![Some(4), None, Some(0)]));
        check(texts(&["1e300", "Infinity"]), Float64Array::from(vec![1e300, f64::INFINITY]));
        check(Arc::new(Int64Array::from(vec![5])), StringArray::from(vec!["5"]));
        check(texts(&["true", "f"]), BooleanArray::from(vec![true, false]));
        let fixed =
            FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.0), None]), None], 2);
        let wanted = DataType::List(Arc::new(Field::new("item", DataType::Int16, true)));
        let list = fit("n", Arc::new(fixed), wanted).unwrap();
        assert_eq!(
            list.as_list::<i32>().value(0).as_primitive::<Int16Type>().iter().collect::<Vec<_>>(),
            [Some(1), None]
        );
        assert!(list.is_null(1));
        let lists = |value| ListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.0), value])]);
        check(Arc::new(lists(Some(f64::NAN))), lists(None));
        // What lies under a list that is null is none of its values.
        let item = Arc::new(Field::new("item", DataType::Float64, true));
        let items: ArrayRef = Arc::new(Float64Array::from(vec![9.5, 1.0, 9.5, 2.0]));
        let (offsets, nulls) =
            (OffsetBuffer::from_lengths([1, 1, 1, 1]), NullBuffer::from(vec![false, true, false, true]));
        let lists = ListArray::new(Arc::clone(&item), offsets, Arc::clone(&items), Some(nulls.clone())).slice(1, 3);
        let integers = fit("n", Arc::new(lists), DataType::List(Arc::new(Field::new("item", DataType::Int16, true))));
        let integers = integers.unwrap();
        assert_eq!(
            (integers.null_count(), integers.as_list::<i32>().value(2).as_primitive::<Int16Type>().value(0)),
            (1, 2)
        );
        let fixed = FixedSizeListArray::new(item, 1, items, Some(nulls)).slice(1, 3);
        let wanted = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int16, true)), 1);
        let integers = fit("n", Arc::new(fixed), wanted).unwrap();
        assert_eq!(integers.as_fixed_size_list().value(2).as_primitive::<Int16Type>().value(0), 2);
        let time = fit("n", texts(&["2026-11-28T01:02:03.5"]), DataType::Timestamp(TimeUnit::Microsecond, None));
        assert_eq!(
            cast(&time.unwrap(), &DataType::Int64).unwrap().as_primitive::<arrow::datatypes::Int64Type>().value(0),
            1_795_827_723_500_000
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |name: &str, values: ArrayRef, wanted: DataType, words: &str| {
            let message = fit(name, values, wanted).unwrap_err();
            assert!(message.contains(words), "{message}");
        };
        refused("m", texts(&["1"]), DataType::Int64, "no column \"m\"; it has n");
        refused("n", texts(&["1.5"]), DataType::Int64, "1.5");
        refused("n", texts(&["abc"]), DataType::Float64, "abc");
        refused("n", Arc::new(Int64Array::from(vec![70_000])), DataType::Int16, "70000");
        refused("n", Arc::new(Float64Array::from(vec![1.5])), DataType::Int64, "cannot hold 1.5");
        refused("n", Arc::new(Int64Array::from(vec![i64::MAX])), DataType::Float64, "cannot hold 9223372036854775807");
        refused("n", Arc::new(Float64Array::from(vec![1e30])), DataType::Int32, "1e30");
        let list = |values: &[f64]| -> ArrayRef {
            let values = values.iter().copied().map(Some).collect::<Vec<_>>();
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([Some(values)]))
        };
        let item = |data_type| Arc::new(Field::new("item", data_type, true));
        refused("n", list(&[1.5]), DataType::List(item(DataType::Int32)), "cannot hold 1.5");
        refused("n", list(&[1.0]), DataType::FixedSizeList(item(DataType::Float64), 2), "");
        refused("n", list(&[1.0]), DataType::Float64, "an array");
        refused("n", Arc::new(Float64Array::from(vec![1e300])), DataType::Float32, "1e300");
        refused("n", texts(&["1e999"]), DataType::Float64, "cannot hold 1e999");
        refused("n", texts(&["1e300"]), DataType::Float32, "1e300");
        refused("n", Arc::new(Int64Array::from(vec![5])), DataType::Boolean, "not taken for each other");
        refused(
            "n",
            Arc::new(Float64Array::from(vec![61000.5])),
            DataType::Timestamp(TimeUnit::Microsecond, None),
            "for each other",
        );
        refused("n", texts(&["[1, 2]"]), DataType::List(item(DataType::Int32)), "arrays come in");
        let (a, b) = (texts(&["1"]), texts(&["2"]));
        let rows = RecordBatch::try_from_iter([("n", a), ("N", b)]).unwrap();
        let wanted = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        assert!(matches!(fitted(&rows.schema(), vec![rows], &wanted), Err(FitError::Twice(_))));
    }
}
