//! `/datalink/preview`: a small plot of a row. Of a row with a position its neighbourhood; of a row with an array that its data model names,
//! the array.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response, header};
use spolia_catalogue::{PositionColumns, PreviewColumns, TableDef};
use spolia_exec::{LinkBase, QueryRequest, RowLink};

use super::plot::{Axis, HEIGHT_TO_WIDTH, Plot};
use super::rows::{Given, Place, Places, client, given, given_ids};
use crate::delivery::{Asked, unchanged};
use crate::door::Door;
use crate::fault::Fault;
use crate::parameters::Parameters;
use crate::record::Record;
use crate::service::Service;
use crate::visitor::Visitor;

/// The media type of a plot.
pub(super) const PNG: &str = "image/png";
/// Half of the neighbourhood's width, in degrees.
const RADIUS_DEG: f64 = 0.05;
/// Neighbours at most.
const NEIGHBOURS: usize = 3000;
/// Elements of an array at most.
const ELEMENTS: usize = 20_000;

/// What a row's plot shows, if it has one.
pub(super) fn shows(table: &TableDef) -> Option<String> {
    match (&table.preview, &table.position) {
        (Some(PreviewColumns { y, x: Some(x) }), _) => Some(format!("Plot of {y} over {x}")),
        (Some(PreviewColumns { y, x: None }), _) => Some(format!("Plot of {y}")),
        (None, Some(_)) => Some(format!("Chart of the rows around it, {:.0} arcmin wide", RADIUS_DEG * 120.0)),
        (None, None) => None,
    }
}

/// The plot of one row.
pub(super) async fn preview(Visitor(service): Visitor, request: Request) -> Response<Body> {
    let asked = Asked { headers: request.headers().clone(), head: request.method() == Method::HEAD };
    let answered = async {
        let parameters = Parameters::read(request).await?;
        let row = one_row(&service, &parameters).await?;
        // A row of an epoch never changes.
        let etag = format!("preview-{}-{}", row.epoch, row.id);
        let mut record = service.begin("preview", Door::Links, &row.id.to_string());
        let plot = match plot(&service, row, &mut record).await {
            Ok(plot) => plot,
            Err(fault) => {
                record.fail(&fault.message);
                return Err(fault);
            }
        };
        if let Some(response) = unchanged(&asked, &etag) {
            record.succeed();
            return Ok(response);
        }
        let picture = plot.png().map_err(|error| Fault::internal("draw the plot", &error))?;
        record.add_bytes(picture.len());
        record.succeed();
        let mut response = Response::new(Body::from(picture));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PNG));
        if let Ok(etag) = HeaderValue::try_from(format!("\"{etag}\"")) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        Ok(response)
    };
    answered.await.unwrap_or_else(|fault: Fault| fault.text())
}

async fn one_row(service: &Service, parameters: &Parameters) -> Result<RowLink, Fault> {
    let ids = given_ids(parameters);
    let [id] = ids[..] else { return Err(Fault::usage("a plot is of one row: give its id")) };
    match given(service, id, &client(parameters)).await? {
        Given::Row(row) => Ok(row),
        Given::Selection(_) => Err(Fault::usage("a plot is of one row; this is the id of many")),
    }
}

async fn plot(service: &Service, row: RowLink, record: &mut Record) -> Result<Plot, Fault> {
    let places = Places::of(service, [row.id].into_iter()).await?;
    let gone = || Fault::not_found(format!("row {} is not in the archive", row.id));
    let place = places.place(row.id).ok_or_else(gone)?;
    let asker = Asker { service, row, table: format!("{}.{}", place.collection.name, place.table.name) };
    let _place = service.queries.enter().await?;
    record.note("table", asker.table.as_str());
    match (&place.table.preview, &place.table.position) {
        (Some(columns), _) => asker.array(place, columns).await,
        (None, Some(columns)) => asker.neighbourhood(columns).await,
        (None, None) => Err(Fault::not_found(format!("rows of {} have no plot", asker.table))),
    }
}

/// Asks for what is plotted of a row.
struct Asker<'a> {
    service: &'a Service,
    row: RowLink,
    table: String,
}

impl Asker<'_> {
    /// The values of columns, those of a batch together.
    async fn ask(&self, adql: String) -> Result<Vec<RecordBatch>, Fault> {
        let request = QueryRequest { epoch: Some(self.row.epoch), ..QueryRequest::new(adql, LinkBase::default()) };
        Ok(self.service.archive.query(&request).await?.collect().await?)
    }

    fn gone(&self) -> Fault {
        Fault::not_found(format!("row {} is not in epoch {}", self.row.id, self.row.epoch))
    }

    async fn array(&self, place: Place<'_>, PreviewColumns { x, y }: &PreviewColumns) -> Result<Plot, Fault> {
        let columns = x.iter().chain([y]).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let rows = self.ask(format!("SELECT {columns} FROM {} WHERE id = {}", self.table, self.row.id)).await?;
        let row = rows.iter().find(|batch| batch.num_rows() > 0).ok_or_else(|| self.gone())?;
        let values = |at: usize| elements(row.column(at));
        let heights = values(usize::from(x.is_some()));
        let widths = match x {
            Some(_) => values(0),
            None => (0..heights.len()).map(|n| n as f64).collect(),
        };
        Ok(Plot {
            title: self.table.clone(),
            x: Axis { label: x.as_ref().map_or("element".to_owned(), |x| labelled(place.table, x)), range: None },
            y: Axis { label: labelled(place.table, y), range: None },
            points: widths.into_iter().zip(heights).take(ELEMENTS).collect(),
            marked: None,
            joined: true,
        })
    }

    /// The rows around, as the sky shows them: on the plane that touches it there, longitudes to the left.
    async fn neighbourhood(&self, PositionColumns { lon, lat }: &PositionColumns) -> Result<Plot, Fault> {
        let (lon, lat) = (format!("DEGREES(\"{lon}\")"), format!("DEGREES(\"{lat}\")"));
        let position = format!("{lon} AS lon, {lat} AS lat");
        let own = self.ask(format!("SELECT {position} FROM {} WHERE id = {}", self.table, self.row.id)).await?;
        let (lon0, lat0) = own.iter().flat_map(positions).next().ok_or_else(|| self.gone())?;
        // Out to the corners.
        let reach = RADIUS_DEG * HEIGHT_TO_WIDTH.hypot(1.0);
        let circle = format!("CIRCLE({lon0:?}, {lat0:?}, {reach:?})");
        let around = format!(
            "SELECT TOP {NEIGHBOURS} {position} FROM {} WHERE 1 = CONTAINS(POINT({lon}, {lat}), {circle})",
            self.table
        );
        let around = self.ask(around).await?;
        let radius = RADIUS_DEG * 3600.0;
        let height = radius * HEIGHT_TO_WIDTH;
        Ok(Plot {
            title: format!("{lon0:.5} {lat0:+.5}, ICRS"),
            x: Axis { label: "arcsec to the east".to_owned(), range: Some((radius, -radius)) },
            y: Axis { label: "arcsec to the north".to_owned(), range: Some((-height, height)) },
            points: around.iter().flat_map(positions).filter_map(|place| offset(place, (lon0, lat0))).collect(),
            marked: Some((0.0, 0.0)),
            joined: false,
        })
    }
}

fn labelled(table: &TableDef, column: &str) -> String {
    let unit = table.column(column).and_then(|column| column.unit.as_deref());
    unit.map_or_else(|| column.to_owned(), |unit| format!("{column} [{unit}]"))
}

/// Numbers of an array of one row; no number where it has none.
fn elements(column: &ArrayRef) -> Vec<f64> {
    let of_row = match column.data_type() {
        DataType::List(_) => column.as_list_opt::<i32>().map(|lists| lists.value(0)),
        DataType::FixedSizeList(..) => column.as_fixed_size_list_opt().map(|lists| lists.value(0)),
        _ => None,
    };
    of_row.map(|values| numbers(&values)).unwrap_or_default()
}

fn numbers(values: &ArrayRef) -> Vec<f64> {
    let Ok(values) = cast(values, &DataType::Float64) else { return Vec::new() };
    values.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect()
}

fn positions(batch: &RecordBatch) -> Vec<(f64, f64)> {
    numbers(batch.column(0)).into_iter().zip(numbers(batch.column(1))).collect()
}

/// Offsets to the east and the north in arcsec, on the plane that touches the sky at a centre (gnomonic projection).
fn offset((lon, lat): (f64, f64), (lon0, lat0): (f64, f64)) -> Option<(f64, f64)> {
    let (sin, cos) = lat.to_radians().sin_cos();
    let (sin0, cos0) = lat0.to_radians().sin_cos();
    let (sin_d, cos_d) = (lon - lon0).to_radians().sin_cos();
    let depth = sin * sin0 + cos * cos0 * cos_d;
    (depth > 0.0).then(|| {
        let (east, north) = (cos * sin_d / depth, (sin * cos0 - cos * sin0 * cos_d) / depth);
        (east.to_degrees() * 3600.0, north.to_degrees() * 3600.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_in_arcsec_across_the_wrap_and_at_the_pole() {
        let near = |found: Option<(f64, f64)>, (east, north): (f64, f64)| {
            let found = found.unwrap();
            assert!((found.0 - east).abs() < 1e-3 && (found.1 - north).abs() < 1e-3, "{found:?}");
        };
        near(offset((0.01, 0.0), (359.99, 0.0)), (72.0, 0.0));
        near(offset((10.0, 60.01), (10.0, 60.0)), (0.0, 36.0));
        near(offset((180.0, 89.99), (0.0, 90.0)), (0.0, 36.0));
        assert_eq!(offset((180.0, 0.0), (0.0, 0.0)), None);
    }
}
