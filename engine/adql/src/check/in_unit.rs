//! IN_UNIT: a value in another unit. ADQL 2.1 section 4.8.1.

use sqlparser::ast::{BinaryOperator, Expr, Function};
use sqlparser::tokenizer::{Location, Span};

use super::Checker;
use super::expression::{Clause, called_name};
use super::meaning::{Measure, text};
use super::scope::Names;
use super::shape::{exactly, take_arguments};
use crate::error::{AdqlError, ErrorKind};
use crate::tree;
use crate::unit::{Conversion, Unit};

impl Checker<'_> {
    /// The value of a call in the unit that it asks for: a product or quotient, or what the planner knows angles by.
    pub(super) fn in_unit(&mut self, call: &mut Function, names: &Names, clause: Clause) -> Result<Expr, AdqlError> {
        let span = called_name(call).1;
        let [mut value, target] = exactly(take_arguments(call), span.start)?;
        let from = self.unit_of(&value, span.start, names)?;
        let at = tree::place_of(&target);
        let wanted = text(&target).unwrap_or_default();
        let to = Unit::parse(wanted).map_err(|error| refusal(at, error.to_string()))?;
        let conversion = from.conversion(&to).map_err(|error| refusal(at, error.to_string()))?;
        self.expression(&mut value, names, clause)?;
        Ok(converted(value, conversion, span))
    }

    fn unit_of(&self, value: &Expr, call: Location, names: &Names) -> Result<Unit, AdqlError> {
        let meaning = self.meaning(value, names);
        if let Measure::Of(unit) = meaning.measure() {
            return Ok(unit);
        }
        let at = Some(tree::place_of(value)).filter(|at| at.line > 0).unwrap_or(call);
        let why = match meaning.unit {
            Some(text) => format!("its unit \"{text}\" is none of VOUnits"),
            None if meaning.is_pure => "it is a pure number".to_owned(),
            None => "its unit is not known".to_owned(),
        };
        Err(refusal(at, format!("{value} cannot be given in another unit: {why}", value = shortened(value))))
    }
}

fn refusal(at: Location, message: String) -> AdqlError {
    AdqlError::new(ErrorKind::Argument, at, message)
}

fn shortened(value: &Expr) -> String {
    let text = tree::with_stack(|| value.to_string());
    if text.len() <= 60 { text } else { "the value".to_owned() }
}

fn converted(value: Expr, conversion: Conversion, span: Span) -> Expr {
    let number = |number: f64| tree::number(format!("{number:e}"), span);
    let value = Expr::Nested(Box::new(value));
    match conversion {
        Conversion::Same => value,
        // By these calls the nodes know their columns of positions.
        Conversion::Degrees => tree::call_of("degrees", span, [value]),
        Conversion::Radians => tree::call_of("radians", span, [value]),
        Conversion::Times(factor) => nested(tree::binary(value, BinaryOperator::Multiply, number(factor))),
        Conversion::Over(divisor) => nested(tree::binary(value, BinaryOperator::Divide, number(divisor))),
    }
}

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}
