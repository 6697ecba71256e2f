//! The functions of ADQL 2.1 (sections 2.3, 4.2, 4.4, 4.6 to 4.8) and what the syntax tree calls instead.
//!
//! A user defined function of the service is one more line of [`OF_THIS_SERVICE`], and one of the features that are declared.

/// Functions that DataFusion has not, or has with another meaning: the planner registers them under these names.
pub mod names {
    /// `adql_add(x, y)`: what the operator + becomes when it is planned. Like all arithmetic here: an error where the result is out of the type's range.
    pub const ADD: &str = "adql_add";
    /// `adql_subtract(x, y)`: x - y.
    pub const SUBTRACT: &str = "adql_subtract";
    /// `adql_multiply(x, y)`: x * y.
    pub const MULTIPLY: &str = "adql_multiply";
    /// `adql_divide(x, y)`: x / y, cut towards zero for integers; NULL where y is 0.
    pub const DIVIDE: &str = "adql_divide";
    /// `adql_mod(x, y)`: the remainder of x / y, with the sign of x; NULL where y is 0.
    pub const MOD: &str = "adql_mod";
    /// `adql_negate(x)`: -x.
    pub const NEGATE: &str = "adql_negate";
    /// `adql_bigint(x)`: a decimal without decimals as a 64-bit integer; an error where it is none.
    pub const BIGINT: &str = "adql_bigint";
    /// `adql_numeric(x)`: a decimal as one of at most 38 digits; an error where it has more.
    pub const NUMERIC: &str = "adql_numeric";
    /// `adql_sqrt(x)`: the square root; NULL for a negative number.
    pub const SQRT: &str = "adql_sqrt";
    /// `adql_log(x)`: the natural logarithm; NULL unless x is positive.
    pub const LOG: &str = "adql_log";
    /// `adql_log10(x)`: the decimal logarithm; NULL unless x is positive.
    pub const LOG10: &str = "adql_log10";
    /// `adql_exp(x)`: e to the power of x, 0 where that is too small for a double.
    pub const EXP: &str = "adql_exp";
    /// `adql_power(x, y)`: x to the power of y; NULL where that is no real number.
    pub const POWER: &str = "adql_power";
    /// `adql_asin(x)`: the arc sine in radians; NULL outside of [-1, 1].
    pub const ASIN: &str = "adql_asin";
    /// `adql_acos(x)`: the arc cosine in radians; NULL outside of [-1, 1].
    pub const ACOS: &str = "adql_acos";
    /// `adql_point(lon, lat)`: a position as an array of two doubles. Degrees.
    pub const POINT: &str = "adql_point";
    /// `adql_circle(lon, lat, radius)`: a circle as an array of three doubles. Degrees.
    pub const CIRCLE: &str = "adql_circle";
    /// `adql_box(lon, lat, width, height)`: a box as the array of its corners' longitudes and latitudes. Degrees.
    pub const BOX: &str = "adql_box";
    /// `adql_polygon(lon1, lat1, lon2, lat2, lon3, lat3, …)`: a polygon as an array of doubles. Degrees.
    pub const POLYGON: &str = "adql_polygon";
    /// `adql_coord1(point)`: the longitude of a point. Degrees.
    pub const COORD1: &str = "adql_coord1";
    /// `adql_coord2(point)`: the latitude of a point. Degrees.
    pub const COORD2: &str = "adql_coord2";
    /// `adql_area(shape)`: the area of a point, circle or polygon in square degrees.
    pub const AREA: &str = "adql_area";
    /// `adql_centroid(shape)`: the middle of a shape, as a point.
    pub const CENTROID: &str = "adql_centroid";
    /// `adql_contains(inner, outer)`: 1 if the first shape lies in the second one, else 0.
    pub const CONTAINS: &str = "adql_contains";
    /// `adql_intersects(one, other)`: 1 if two shapes have a position in common, else 0.
    pub const INTERSECTS: &str = "adql_intersects";
    /// `adql_in_circle(lon, lat, centre_lon, centre_lat, radius)`: 1 if the position lies in the circle or on its
    /// edge, else 0. Degrees.
    pub const IN_CIRCLE: &str = "adql_in_circle";
    /// `adql_in_box(lon, lat, centre_lon, centre_lat, width, height)`: 1 if the position lies in the box or on its edge, else 0. Degrees.
    pub const IN_BOX: &str = "adql_in_box";
    /// `adql_in_polygon(lon, lat, lon1, lat1, lon2, lat2, lon3, lat3, …)`: 1 if the position lies in the polygon of these vertices or on its
    /// edge, else 0. Degrees.
    pub const IN_POLYGON: &str = "adql_in_polygon";
    /// `gaia_healpix_index(order, source_id)`: the HEALPix pixel (NESTED, order 0 to 12) in a source's identifier; NULL for an id
    /// without one.
    pub const GAIA_HEALPIX_INDEX: &str = "gaia_healpix_index";
    /// `ivo_healpix_index(order, lon, lat)`: the HEALPix pixel (NESTED, order 0 to 29) of a position. Degrees.
    pub const IVO_HEALPIX_INDEX: &str = "ivo_healpix_index";
    /// `ivo_healpix_center(order, pixel)`: the middle of a HEALPix pixel (NESTED, order 0 to 29), as a point.
    pub const IVO_HEALPIX_CENTER: &str = "ivo_healpix_center";
    /// `ivo_hasword(haystack, needle)`: 1 if all words of the needle are words of the haystack, in any case of letters, else 0.
    pub const IVO_HASWORD: &str = "ivo_hasword";
    /// `ivo_nocasematch(value, pattern)`: 1 if the value is LIKE the pattern, in any case of letters, else 0.
    pub const IVO_NOCASEMATCH: &str = "ivo_nocasematch";
    /// `ivo_hashlist_has(list, item)`: 1 if the item is among those of a list between hash signs, in any case of letters, else 0.
    pub const IVO_HASHLIST_HAS: &str = "ivo_hashlist_has";
    /// `ivo_interval_overlaps(a1, b1, a2, b2)`: 1 if [a1, b1] and [a2, b2] have a number in common, else 0.
    pub const IVO_INTERVAL_OVERLAPS: &str = "ivo_interval_overlaps";
    /// `ivo_to_jd(time)`: a timestamp as a Julian date.
    pub const IVO_TO_JD: &str = "ivo_to_jd";
    /// `ivo_to_mjd(time)`: a timestamp as a modified Julian date.
    pub const IVO_TO_MJD: &str = "ivo_to_mjd";
    /// `ivo_hms_to_degrees(hms)`: hours, minutes and seconds as degrees; NULL for what is none.
    pub const IVO_HMS_TO_DEGREES: &str = "ivo_hms_to_degrees";
    /// `ivo_dms_to_degrees(dms)`: degrees, minutes and seconds as degrees; NULL for what is none.
    pub const IVO_DMS_TO_DEGREES: &str = "ivo_dms_to_degrees";
    /// `ivo_string_agg(text, delimiter)`: the texts of a group in the order of their bytes, with a literal delimiter between them; NULL
    /// for none.
    pub const IVO_STRING_AGG: &str = "ivo_string_agg";
    /// `ivo_histogram(value, lower, upper, bins)`: how many values of a group lie below, in each of so many bins of equal width, and
    /// above; the bounds and the number are literals, and NULL lies below.
    pub const IVO_HISTOGRAM: &str = "ivo_histogram";
    /// `ivo_epoch_prop_pos(lon, lat, parallax, pm_lon, pm_lat, radial_velocity, from_year, to_year)`: where a star is in another year, as a
    /// point. Degrees, mas, mas/yr, km/s, Julian years.
    pub const IVO_EPOCH_PROP_POS: &str = "ivo_epoch_prop_pos";
    /// `ivo_epoch_prop(…)`: the same, as an array of the first six arguments in that year.
    pub const IVO_EPOCH_PROP: &str = "ivo_epoch_prop";
    /// `ivo_geom_transform(from, to, shape)`: a shape in another frame of positions; the names of the frames are literals.
    pub const IVO_GEOM_TRANSFORM: &str = "ivo_geom_transform";
    /// `ivo_normal_random(mean, deviation)`: a random number of a normal distribution.
    pub const IVO_NORMAL_RANDOM: &str = "ivo_normal_random";
    /// `adql_to_point(text)`: the point that a text writes as DALI does: `lon lat`. Degrees.
    pub const TO_POINT: &str = "adql_to_point";
    /// `adql_to_circle(text)`: the circle that a text writes: `lon lat radius`. Degrees.
    pub const TO_CIRCLE: &str = "adql_to_circle";
    /// `adql_to_polygon(text)`: the polygon that a text writes: `lon1 lat1 lon2 lat2 lon3 lat3 …`. Degrees.
    pub const TO_POLYGON: &str = "adql_to_polygon";
    /// `adql_distance(lon1, lat1, lon2, lat2)`: the great-circle distance of two positions. Degrees.
    pub const DISTANCE: &str = "adql_distance";
}

/// A function of ADQL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name in ADQL, in upper case.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: Takes,
    /// What it gives.
    pub(crate) gives: Gives,
    /// What becomes of it in the syntax tree.
    pub(crate) becomes: Becomes,
}

impl Function {
    /// Whether ADQL itself has it, not only this service.
    pub(crate) fn is_standard(&self) -> bool {
        FUNCTIONS.iter().any(|function| function.name == self.name)
    }
}

/// What a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// So many numbers.
    Numbers(usize),
    /// A number, and how many decimal places to keep (a signed integer literal, optional).
    NumberAndPlaces,
    /// A seed (an unsigned integer literal, optional).
    Seed,
    /// So many strings.
    Texts(usize),
    /// A string, and a delimiter (a string literal).
    TextAndDelimiter,
    /// A number, and two bounds and a number of bins (literals).
    NumberAndBins,
    /// One value of any kind.
    Value,
    /// One or more values of any kind.
    Values,
    /// One value of any kind, with DISTINCT or ALL before it.
    Set,
    /// One value of any kind, with DISTINCT or ALL before it, or an asterisk.
    SetOrAsterisk,
    /// A number and a unit (a string literal).
    NumberAndUnit,
    /// What the geometry function of that name takes.
    Geometry(Geometry),
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    Number,
    Text,
    Geometry,
    /// A value of any kind, from one row.
    Any,
    /// A value of any kind, from all rows of a group.
    Aggregate,
}

/// What a function becomes in the syntax tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Becomes {
    /// A call of the DataFusion function of that name, with the same arguments.
    Call(&'static str),
    /// The same, without arguments.
    CallWithoutArguments(&'static str),
    /// What `check::geometry` makes of it.
    Geometry(Geometry),
    /// What `check::in_unit` makes of it.
    InUnit,
}

/// The geometry functions of ADQL 2.1, section 4.2, and those of this service that take a position in both forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Geometry {
    Area,
    Box,
    Centroid,
    Circle,
    Contains,
    Coord1,
    Coord2,
    Coordsys,
    Distance,
    Intersects,
    Point,
    Polygon,
    Region,
    /// IVO_HEALPIX_INDEX.
    HealpixIndex,
    /// IVO_GEOM_TRANSFORM.
    Transform,
}

/// The function of that name, in any case of letters.
pub(crate) fn function(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name.eq_ignore_ascii_case(name))
}

/// Whether the planner's function of that name looks at all rows of a group.
pub(crate) fn is_aggregate(target: &str) -> bool {
    let is = |becomes: Becomes| matches!(becomes, Becomes::Call(name) if name == target);
    all().any(|function| function.gives == Gives::Aggregate && is(function.becomes))
}

fn all() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().chain(OF_THIS_SERVICE)
}

/// The names of all functions, in upper case.
pub(crate) fn function_names() -> impl Iterator<Item = &'static str> {
    all().map(|function| function.name)
}

const fn number(name: &'static str, arguments: usize, call: &'static str) -> Function {
    Function { name, takes: Takes::Numbers(arguments), gives: Gives::Number, becomes: Becomes::Call(call) }
}

const fn places(name: &'static str, call: &'static str) -> Function {
    Function { name, takes: Takes::NumberAndPlaces, gives: Gives::Number, becomes: Becomes::Call(call) }
}

const fn text(name: &'static str, call: &'static str) -> Function {
    Function { name, takes: Takes::Texts(1), gives: Gives::Text, becomes: Becomes::Call(call) }
}

/// A function of so many strings that gives a number.
const fn of_texts(name: &'static str, arguments: usize, call: &'static str) -> Function {
    Function { name, takes: Takes::Texts(arguments), gives: Gives::Number, becomes: Becomes::Call(call) }
}

/// A function of a time that gives a number.
const fn of_time(name: &'static str, call: &'static str) -> Function {
    Function { name, takes: Takes::Value, gives: Gives::Number, becomes: Becomes::Call(call) }
}

const fn aggregate(name: &'static str, takes: Takes, call: &'static str) -> Function {
    Function { name, takes, gives: Gives::Aggregate, becomes: Becomes::Call(call) }
}

const fn geometry(name: &'static str, gives: Gives, geometry: Geometry) -> Function {
    Function { name, takes: Takes::Geometry(geometry), gives, becomes: Becomes::Geometry(geometry) }
}

/// Functions of this service, beside those of the standard. The IVOA's catalogue of user defined functions has some of them.
const OF_THIS_SERVICE: &[Function] = &[
    number("GAIA_HEALPIX_INDEX", 2, names::GAIA_HEALPIX_INDEX),
    geometry("IVO_HEALPIX_INDEX", Gives::Number, Geometry::HealpixIndex),
    Function {
        name: "IVO_HEALPIX_CENTER",
        takes: Takes::Numbers(2),
        gives: Gives::Geometry,
        becomes: Becomes::Call(names::IVO_HEALPIX_CENTER),
    },
    of_texts("IVO_HASWORD", 2, names::IVO_HASWORD),
    of_texts("IVO_NOCASEMATCH", 2, names::IVO_NOCASEMATCH),
    of_texts("IVO_HASHLIST_HAS", 2, names::IVO_HASHLIST_HAS),
    of_texts("IVO_HMS_TO_DEGREES", 1, names::IVO_HMS_TO_DEGREES),
    of_texts("IVO_DMS_TO_DEGREES", 1, names::IVO_DMS_TO_DEGREES),
    number("IVO_INTERVAL_OVERLAPS", 4, names::IVO_INTERVAL_OVERLAPS),
    of_time("IVO_TO_JD", names::IVO_TO_JD),
    of_time("IVO_TO_MJD", names::IVO_TO_MJD),
    aggregate("IVO_STRING_AGG", Takes::TextAndDelimiter, names::IVO_STRING_AGG),
    aggregate("IVO_HISTOGRAM", Takes::NumberAndBins, names::IVO_HISTOGRAM),
    Function {
        name: "IVO_EPOCH_PROP_POS",
        takes: Takes::Numbers(8),
        gives: Gives::Geometry,
        becomes: Becomes::Call(names::IVO_EPOCH_PROP_POS),
    },
    Function {
        name: "IVO_EPOCH_PROP",
        takes: Takes::Numbers(8),
        gives: Gives::Any,
        becomes: Becomes::Call(names::IVO_EPOCH_PROP),
    },
    geometry("IVO_GEOM_TRANSFORM", Gives::Geometry, Geometry::Transform),
    number("IVO_NORMAL_RANDOM", 2, names::IVO_NORMAL_RANDOM),
    aggregate("STDDEV", Takes::Set, "stddev"),
    aggregate("VARIANCE", Takes::Set, "var"),
];

/// The functions of the standard.
const FUNCTIONS: &[Function] = &[
    number("ABS", 1, "abs"),
    number("ACOS", 1, names::ACOS),
    number("ASIN", 1, names::ASIN),
    number("ATAN", 1, "atan"),
    number("ATAN2", 2, "atan2"),
    number("CEILING", 1, "ceil"),
    number("COS", 1, "cos"),
    number("COT", 1, "cot"),
    number("DEGREES", 1, "degrees"),
    number("EXP", 1, names::EXP),
    number("FLOOR", 1, "floor"),
    // ADQL's LOG is the natural logarithm, DataFusion's `log` the decimal one.
    number("LOG", 1, names::LOG),
    number("LOG10", 1, names::LOG10),
    number("MOD", 2, names::MOD),
    number("PI", 0, "pi"),
    number("POWER", 2, names::POWER),
    number("RADIANS", 1, "radians"),
    number("SIN", 1, "sin"),
    number("SQRT", 1, names::SQRT),
    number("TAN", 1, "tan"),
    places("ROUND", "round"),
    places("TRUNCATE", "trunc"),
    Function {
        name: "RAND",
        takes: Takes::Seed,
        gives: Gives::Number,
        becomes: Becomes::CallWithoutArguments("random"),
    },
    text("LOWER", "lower"),
    text("UPPER", "upper"),
    Function { name: "COALESCE", takes: Takes::Values, gives: Gives::Any, becomes: Becomes::Call("coalesce") },
    Function { name: "IN_UNIT", takes: Takes::NumberAndUnit, gives: Gives::Number, becomes: Becomes::InUnit },
    aggregate("AVG", Takes::Set, "avg"),
    aggregate("COUNT", Takes::SetOrAsterisk, "count"),
    aggregate("MAX", Takes::Set, "max"),
    aggregate("MIN", Takes::Set, "min"),
    aggregate("SUM", Takes::Set, "sum"),
    geometry("AREA", Gives::Number, Geometry::Area),
    geometry("BOX", Gives::Geometry, Geometry::Box),
    geometry("CENTROID", Gives::Geometry, Geometry::Centroid),
    geometry("CIRCLE", Gives::Geometry, Geometry::Circle),
    geometry("CONTAINS", Gives::Number, Geometry::Contains),
    geometry("COORD1", Gives::Number, Geometry::Coord1),
    geometry("COORD2", Gives::Number, Geometry::Coord2),
    geometry("COORDSYS", Gives::Text, Geometry::Coordsys),
    geometry("DISTANCE", Gives::Number, Geometry::Distance),
    geometry("INTERSECTS", Gives::Number, Geometry::Intersects),
    geometry("POINT", Gives::Geometry, Geometry::Point),
    geometry("POLYGON", Gives::Geometry, Geometry::Polygon),
    geometry("REGION", Gives::Geometry, Geometry::Region),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::is_reserved;

    #[test]
    fn the_functions_of_the_standard_are_reserved_words() {
        assert!(FUNCTIONS.iter().all(|function| is_reserved(function.name)));
    }

    #[test]
    fn functions_are_declared_that_are_there_and_no_others() {
        let declared = |name: &str| crate::features().iter().any(|feature| feature.word().eq_ignore_ascii_case(name));
        for function in OF_THIS_SERVICE {
            assert!(declared(function.name), "{} is not declared", function.name);
        }
        for feature in crate::FeatureType::UserDefined.features() {
            assert!(function(feature.word()).is_some(), "{} is not there", feature.form);
            assert!(!feature.description.is_empty() && feature.form.contains(") -> "), "{}", feature.form);
        }
        let optional =
            FUNCTIONS.iter().filter(|function| matches!(function.becomes, Becomes::Geometry(_) | Becomes::InUnit));
        let by_name = ["LOWER", "UPPER", "COALESCE"].into_iter();
        assert!(optional.map(|function| function.name).chain(by_name).all(declared));
    }

    #[test]
    fn the_logarithm_is_natural() {
        assert_eq!(function("log").map(|log| log.becomes), Some(Becomes::Call(names::LOG)));
    }
}
