//! What the columns of a result mean: their units, UCDs, xtypes and descriptions, as far as they follow from those of the schema's columns.
//!
//! Expressions are looked at as they were parsed, before they are rewritten for the planner.

use std::sync::Arc;

use sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
    ValueWithSpan,
};

use super::Checker;
use super::expression::called_name;
use super::scope::Names;
use crate::schema::Column;
use crate::tree;
use crate::unit::Unit;

/// Longest description made of an expression, in bytes.
const LONGEST_DESCRIPTION: usize = 200;

/// What a column of a result means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meaning {
    /// Its unit (VOUnits 1.1), where it is known.
    pub unit: Option<String>,
    /// Its Unified Content Descriptor.
    pub ucd: Option<String>,
    /// Its role in a data model.
    pub utype: Option<String>,
    /// Its DALI xtype, such as `point`.
    pub xtype: Option<String>,
    /// What it is, for people: the schema's words, or the expression as it was written.
    pub description: Option<String>,
    /// Whether it is a pure number: a constant, or what has been counted.
    pub(crate) is_pure: bool,
}

/// The unit of an expression.
#[derive(Debug, Clone)]
pub(super) enum Measure {
    /// It is not known whether it has one.
    Unknown,
    /// None: a pure number.
    Pure,
    Of(Unit),
}

impl Meaning {
    pub(super) fn of_column(column: &Column) -> Arc<Self> {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Arc::new(Self {
            unit: said(&column.unit),
            ucd: said(&column.ucd),
            utype: said(&column.utype),
            xtype: said(&column.xtype),
            description: said(&column.description),
            is_pure: false,
        })
    }

    fn of_unit(unit: &str) -> Self {
        Self { unit: Some(unit.to_owned()), ..Self::default() }
    }

    fn measured(measure: Measure) -> Self {
        match measure {
            Measure::Unknown => Self::default(),
            Measure::Pure => Self { is_pure: true, ..Self::default() },
            Measure::Of(unit) if unit.is_one() => Self { is_pure: true, ..Self::default() },
            Measure::Of(unit) => Self::of_unit(&unit.to_string()),
        }
    }

    fn with_ucd(self, ucd: &str) -> Self {
        Self { ucd: Some(ucd.to_owned()), ..self }
    }

    fn with_xtype(self, xtype: &str) -> Self {
        Self { xtype: Some(xtype.to_owned()), ..self }
    }

    pub(super) fn measure(&self) -> Measure {
        match &self.unit {
            Some(text) => Unit::parse(text).map_or(Measure::Unknown, Measure::Of),
            None if self.is_pure => Measure::Pure,
            None => Measure::Unknown,
        }
    }

    /// Only the unit of this, with the text that it is written in.
    fn unit_only(self) -> Self {
        Self { unit: self.unit, is_pure: self.is_pure, ..Self::default() }
    }

    /// What an aggregate of such values means: in the same unit, and a statistic of the same quantity.
    fn statistic(self, word: &str) -> Self {
        // A statistic of a statistic has no UCD: `stat` comes first, and once.
        let ucd = self.ucd.as_deref().filter(|ucd| !ucd.starts_with("stat.")).map(|ucd| format!("{word};{ucd}"));
        Self { ucd, ..self.unit_only() }
    }

    /// What holds of values of both.
    pub(super) fn in_common(&self, other: &Self) -> Self {
        let both = |a: &Option<String>, b: &Option<String>| a.clone().filter(|_| a == b);
        Self {
            unit: both(&self.unit, &other.unit),
            ucd: both(&self.ucd, &other.ucd),
            utype: both(&self.utype, &other.utype),
            xtype: both(&self.xtype, &other.xtype),
            description: both(&self.description, &other.description),
            is_pure: self.is_pure && other.is_pure,
        }
    }
}

impl Checker<'_> {
    /// What an expression of the select list that is no column means, described by its own text.
    pub(super) fn described(&self, expr: &Expr, names: &Names) -> Arc<Meaning> {
        let meaning = self.meaning(expr, names);
        let text = tree::with_stack(|| expr.to_string());
        let description = (text.len() <= LONGEST_DESCRIPTION).then_some(text);
        Arc::new(Meaning { description, ..meaning })
    }

    /// What an expression means; nothing is known of what names nothing, which is found elsewhere.
    pub(super) fn meaning(&self, expr: &Expr, names: &Names) -> Meaning {
        tree::with_stack(|| match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                column_meaning(expr, names).map_or_else(Meaning::default, |meaning| Meaning::clone(&meaning))
            }
            Expr::Value(ValueWithSpan { value: Value::Number(..), .. }) => Meaning::measured(Measure::Pure),
            Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } => self.meaning(inner, names),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => self.meaning(inner, names).unit_only(),
            Expr::BinaryOp { left, op, right } => {
                let [left, right] = [left, right].map(|side| self.meaning(side, names));
                arithmetic(left, op, right)
            }
            Expr::Cast { expr: inner, data_type, .. } => cast(self.meaning(inner, names), data_type),
            Expr::Function(call) => self.call(call, names),
            _ => Meaning::default(),
        })
    }

    fn call(&self, call: &Function, names: &Names) -> Meaning {
        let arguments = arguments(call);
        let meaning = |place: usize| arguments.get(place).map_or_else(Meaning::default, |of| self.meaning(of, names));
        match called_name(call).0.to_ascii_uppercase().as_str() {
            "MIN" => meaning(0).statistic("stat.min"),
            "MAX" => meaning(0).statistic("stat.max"),
            "AVG" => meaning(0).statistic("stat.mean"),
            "STDDEV" => meaning(0).statistic("stat.stdev"),
            "VARIANCE" => {
                let statistic = meaning(0).statistic("stat.variance");
                Meaning { ucd: statistic.ucd.clone(), ..to_the_power(&statistic, "2", false) }
            }
            "SUM" | "ABS" => meaning(0).unit_only(),
            "COUNT" => Meaning::measured(Measure::Pure).with_ucd("meta.number"),
            "ROUND" | "TRUNCATE" | "FLOOR" | "CEILING" => Meaning { description: None, ..meaning(0) },
            "MOD" => arithmetic(meaning(0), &BinaryOperator::Plus, meaning(1)),
            "COALESCE" => self.first_of(&arguments, names),
            "SQRT" => root(&meaning(0)),
            "POWER" => match arguments.get(1).and_then(|exponent| decimal(exponent)) {
                Some((digits, negative)) => to_the_power(&meaning(0), digits, negative),
                None => Meaning::default(),
            },
            "IN_UNIT" => {
                let unit = arguments.get(1).and_then(|unit| Unit::parse(text(unit)?).ok()).map(|unit| unit.to_string());
                Meaning { unit, description: None, is_pure: false, ..meaning(0) }
            }
            "ASIN" | "ACOS" | "ATAN" | "ATAN2" => Meaning::of_unit("rad"),
            // The same angle in another unit.
            "RADIANS" => Meaning { ucd: meaning(0).ucd, ..Meaning::of_unit("rad") },
            "DEGREES" => Meaning { ucd: meaning(0).ucd, ..Meaning::of_unit("deg") },
            "PI" | "RAND" | "SIN" | "COS" | "TAN" | "COT" | "CONTAINS" | "INTERSECTS" => {
                Meaning::measured(Measure::Pure)
            }
            "DISTANCE" => Meaning::of_unit("deg").with_ucd("pos.angDistance"),
            "AREA" => Meaning::of_unit("deg**2").with_ucd("phys.angArea"),
            "COORD1" => coordinate(&meaning(0), "ra", "lon"),
            "COORD2" => coordinate(&meaning(0), "dec", "lat"),
            "IVO_GEOM_TRANSFORM" => turned(meaning(2), arguments.get(1).and_then(|to| text(to)).unwrap_or_default()),
            "IVO_HISTOGRAM" => Meaning::measured(Measure::Pure),
            "CENTROID" => {
                let ucd = meaning(0).ucd.map(|ucd| if ucd == "pos.outline" { "pos.eq".to_owned() } else { ucd });
                Meaning { ucd, ..Meaning::of_unit("deg").with_xtype("point") }
            }
            "POINT" | "IVO_HEALPIX_CENTER" | "IVO_EPOCH_PROP_POS" => {
                Meaning::of_unit("deg").with_ucd("pos.eq").with_xtype("point")
            }
            "CIRCLE" => Meaning::of_unit("deg").with_ucd("pos.outline").with_xtype("circle"),
            "BOX" | "POLYGON" => Meaning::of_unit("deg").with_ucd("pos.outline").with_xtype("polygon"),
            "REGION" => region(arguments.first().and_then(|of| text(of)).unwrap_or_default()),
            "IVO_HEALPIX_INDEX" | "GAIA_HEALPIX_INDEX" => Meaning::default().with_ucd("pos.healpix"),
            "IVO_HMS_TO_DEGREES" | "IVO_DMS_TO_DEGREES" => Meaning::of_unit("deg"),
            "IVO_TO_JD" | "IVO_TO_MJD" => Meaning::of_unit("d").with_ucd("time.epoch"),
            _ => Meaning::default(),
        }
    }

    /// COALESCE: what holds of all values, where numbers that are written out may be of any unit, and NULL is of all kinds.
    fn first_of(&self, arguments: &[&Expr], names: &Names) -> Meaning {
        let values = arguments.iter().filter(|value| !matches!(value, Expr::Value(_)));
        let all = values.map(|value| self.meaning(value, names));
        let meaning = all.reduce(|first, next| first.in_common(&next));
        Meaning { description: None, ..meaning.unwrap_or_default() }
    }
}

/// What a column means, if the expression is just one.
fn column_meaning(expr: &Expr, names: &Names) -> Option<Arc<Meaning>> {
    match expr {
        Expr::Identifier(name) => Some(names.column(std::slice::from_ref(name)).ok()?.column.meaning),
        Expr::CompoundIdentifier(parts) => Some(names.column(parts).ok()?.column.meaning),
        _ => None,
    }
}

fn arithmetic(left: Meaning, op: &BinaryOperator, right: Meaning) -> Meaning {
    let measure = match (left.measure(), op, right.measure()) {
        (Measure::Pure, BinaryOperator::Plus | BinaryOperator::Minus, Measure::Pure) => Measure::Pure,
        // Numbers that are written out are in the unit of what they are added to.
        (Measure::Of(unit), BinaryOperator::Plus | BinaryOperator::Minus, Measure::Pure)
        | (Measure::Pure, BinaryOperator::Plus | BinaryOperator::Minus, Measure::Of(unit)) => Measure::Of(unit),
        (Measure::Of(one), BinaryOperator::Plus | BinaryOperator::Minus, Measure::Of(other)) if one.same(&other) => {
            Measure::Of(one)
        }
        (one, BinaryOperator::Multiply, other) => factor(&one)
            .zip(factor(&other))
            .and_then(|(one, other)| one.times(&other))
            .map_or(Measure::Unknown, Measure::Of),
        (one, BinaryOperator::Divide, other) => factor(&one)
            .zip(factor(&other))
            .and_then(|(one, other)| one.over(&other))
            .map_or(Measure::Unknown, Measure::Of),
        _ => Measure::Unknown,
    };
    Meaning::measured(measure)
}

fn factor(measure: &Measure) -> Option<Unit> {
    match measure {
        Measure::Unknown => None,
        Measure::Pure => Some(Unit::one()),
        Measure::Of(unit) => Some(unit.clone()),
    }
}

fn root(of: &Meaning) -> Meaning {
    let unit = factor(&of.measure()).and_then(|unit| unit.root());
    Meaning::measured(unit.map_or(Measure::Unknown, Measure::Of))
}

fn to_the_power(of: &Meaning, digits: &str, negative: bool) -> Meaning {
    let unit = factor(&of.measure()).and_then(|unit| unit.to_the_power(digits, negative));
    Meaning::measured(unit.map_or(Measure::Unknown, Measure::Of))
}

/// What a string for REGION writes.
fn region(written: &str) -> Meaning {
    let word = written.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let (ucd, xtype) = match word.as_str() {
        "POSITION" | "POINT" => ("pos.eq", "point"),
        "CIRCLE" => ("pos.outline", "circle"),
        _ => ("pos.outline", "polygon"),
    };
    Meaning::of_unit("deg").with_ucd(ucd).with_xtype(xtype)
}

/// A coordinate of a point, in what its UCD says is its frame.
fn coordinate(of: &Meaning, equatorial: &str, other: &str) -> Meaning {
    let ucd = match of.ucd.as_deref() {
        Some("pos.eq") => Some(format!("pos.eq.{equatorial}")),
        Some(frame @ ("pos.galactic" | "pos.ecliptic")) => Some(format!("{frame}.{other}")),
        _ => None,
    };
    Meaning { ucd, ..Meaning::of_unit("deg") }
}

/// A shape in another frame.
fn turned(shape: Meaning, frame: &str) -> Meaning {
    let ucd = match (shape.xtype.as_deref(), frame) {
        (Some("point"), "GALACTIC") => Some("pos.galactic"),
        (Some("point"), "ECLIPTIC") => Some("pos.ecliptic"),
        (Some("point"), _) => Some("pos.eq"),
        _ => None,
    };
    Meaning { ucd: ucd.map(str::to_owned), xtype: shape.xtype, ..Meaning::of_unit("deg") }
}

/// A number in another type is the same; a text of it has no unit.
fn cast(of: Meaning, data_type: &DataType) -> Meaning {
    match data_type {
        DataType::Char(_) | DataType::Varchar(_) => Meaning { ucd: of.ucd, ..Meaning::default() },
        DataType::Custom(name, _) => {
            let word = name.to_string().to_ascii_lowercase();
            let ucd = if word == "point" { "pos.eq" } else { "pos.outline" };
            Meaning::of_unit("deg").with_ucd(ucd).with_xtype(&word)
        }
        _ => Meaning { description: None, xtype: None, ..of },
    }
}

/// The digits of a number that is written out, and whether it is negative.
fn decimal(expr: &Expr) -> Option<(&str, bool)> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => Some((digits, false)),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => decimal(expr).map(|(digits, negative)| (digits, !negative)),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } | Expr::Nested(expr) => decimal(expr),
        _ => None,
    }
}

/// A string that is written out.
pub(super) fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        _ => None,
    }
}

fn arguments(call: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &call.args else { return Vec::new() };
    let value = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    list.args.iter().filter_map(value).collect()
}
