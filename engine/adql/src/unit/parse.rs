//! The grammar of VOUnits 1.1 (appendix C.5), by recursive descent.

use super::exponent::Exponent;
use super::{Scale, Symbol, Unit, UnitError};

/// Longest text taken, in bytes.
const LONGEST: usize = 200;
/// Deepest nesting of parentheses.
const DEEPEST: usize = 8;

/// The unit that `text` writes, which may be a number without any symbol.
pub(super) fn parse(text: &str) -> Result<Unit, UnitError> {
    let mut parser = Parser { text, next: 0, nesting: 0 };
    if text.is_empty() || text == "1" {
        return Ok(Unit::one());
    }
    if text.len() > LONGEST {
        return Err(parser.fault(&format!("it has more than {LONGEST} characters")));
    }
    let unit = parser.scaled()?;
    if parser.next < text.len() { Err(parser.unexpected("the end")) } else { Ok(unit) }
}

struct Parser<'a> {
    text: &'a str,
    next: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.next..).unwrap_or_default()
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        self.next += if found { symbol.len() } else { 0 };
        found
    }

    /// The characters that come next, as long as they are of a kind.
    fn run(&mut self, is_of_kind: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !is_of_kind(character)).unwrap_or(rest.len());
        self.next += end;
        &rest[..end]
    }

    fn fault(&self, fault: &str) -> UnitError {
        let text = self.text.chars().take(40).collect();
        UnitError::Grammar { text, fault: fault.to_owned() }
    }

    fn unexpected(&self, wanted: &str) -> UnitError {
        let hint = match self.rest().chars().next() {
            None => return self.fault(&format!("it ends where {wanted} is expected")),
            Some(' ' | '*') => "; products are written with a dot",
            Some('^' | '0'..='9' | '+' | '-') => "; powers are written with **",
            Some('/') => "; there is one division at most: write /(a.b), or negative powers",
            Some(_) => "",
        };
        let found = self.rest().chars().next().unwrap_or(' ');
        let place = self.text[..self.next].chars().count() + 1;
        self.fault(&format!("'{found}' at character {place}, where {wanted} is expected{hint}"))
    }

    /// `[number] product [/ unit]`.
    fn scaled(&mut self) -> Result<Unit, UnitError> {
        let number = self.scale_factor()?;
        let unit = self.complete_expression()?;
        Ok(Unit { number: number.times(unit.number), ..unit })
    }

    fn complete_expression(&mut self) -> Result<Unit, UnitError> {
        let mut unit = self.unit_expression()?;
        while self.eat(".") {
            let factor = self.unit_expression()?;
            unit = unit.times(&factor).ok_or_else(|| self.fault("its powers are too large"))?;
        }
        if self.eat("/") {
            let divisor = self.unit_expression()?;
            unit = unit.over(&divisor).ok_or_else(|| self.fault("its powers are too large"))?;
        }
        Ok(unit)
    }

    fn unit_expression(&mut self) -> Result<Unit, UnitError> {
        if self.eat("(") {
            let inside = self.nested(Self::complete_expression)?;
            return if self.eat(")") { Ok(inside) } else { Err(self.unexpected("\")\"")) };
        }
        let begun = self.next;
        let name = self.run(|character| character.is_ascii_alphabetic() || character == '_');
        if !name.is_empty() && self.eat("(") {
            return self.function(name, begun);
        }
        let symbol = if self.eat("'") {
            let quoted = self.run(|character| character != '\'');
            if quoted.is_empty() || !self.eat("'") {
                return Err(self.unexpected("a name in quotes"));
            }
            Symbol::Quoted(self.text[begun..self.next].to_owned())
        } else if !name.is_empty() {
            // VOUnits have no uas, but nothing else can be meant by it.
            Symbol::Named(if name == "uas" { "uarcsec" } else { name }.to_owned())
        } else if self.eat("%") {
            Symbol::Named("%".to_owned())
        } else {
            return Err(self.unexpected("a unit"));
        };
        let exponent = if self.eat("**") { self.numeric_power()? } else { Exponent::ONE };
        let powers = if exponent.is_zero() { Vec::new() } else { vec![(symbol, exponent)] };
        Ok(Unit { number: Scale::ONE, powers })
    }

    /// A function of a unit, whose name and opening parenthesis have been read.
    fn function(&mut self, name: &str, begun: usize) -> Result<Unit, UnitError> {
        let operand = self.nested(Self::scaled)?;
        if !self.eat(")") {
            return Err(self.unexpected("\")\""));
        }
        if name == "sqrt" {
            return operand.root().ok_or_else(|| self.fault("its powers are too small"));
        }
        let symbol = Symbol::Function(self.text[begun..self.next].to_owned());
        Ok(Unit { number: Scale::ONE, powers: vec![(symbol, Exponent::ONE)] })
    }

    fn nested(&mut self, production: fn(&mut Self) -> Result<Unit, UnitError>) -> Result<Unit, UnitError> {
        if self.nesting == DEEPEST {
            return Err(self.fault("its parentheses are nested too deeply"));
        }
        self.nesting += 1;
        let unit = production(self);
        self.nesting -= 1;
        unit
    }

    /// `10**n`, or a number; 1 where there is none.
    fn scale_factor(&mut self) -> Result<Scale, UnitError> {
        if self.eat("10**") {
            let exponent = self.numeric_power()?;
            return Ok(Scale { multiplied: 10.0, divided: 1.0 }.to_the(exponent));
        }
        let begun = self.next;
        let digits = |character: char| character.is_ascii_digit();
        if self.run(digits).is_empty() {
            return Ok(Scale::ONE);
        }
        // A dot without digits is a product.
        let fraction = self.rest().strip_prefix('.').is_some_and(|rest| rest.starts_with(digits));
        if fraction {
            self.next += 1;
            self.run(digits);
        }
        self.exponent_of_ten();
        match self.text[begun..self.next].parse::<f64>() {
            Ok(number) if number.is_normal() => Ok(Scale { multiplied: number, divided: 1.0 }),
            _ => Err(self.fault("its number is out of range")),
        }
    }

    /// The `E27` of `1.898E27kg`, if there is one: an E may begin a unit, too.
    fn exponent_of_ten(&mut self) {
        let before = self.next;
        let begins = self.eat("e") || self.eat("E");
        let _sign = begins && (self.eat("-") || self.eat("+"));
        if !begins || self.run(|character| character.is_ascii_digit()).is_empty() {
            self.next = before;
        }
    }

    /// An integer, or a number or fraction in parentheses.
    fn numeric_power(&mut self) -> Result<Exponent, UnitError> {
        let parenthesised = self.eat("(");
        let negative = self.eat("-");
        if !negative {
            self.eat("+");
        }
        let digits = self.run(|character| character.is_ascii_digit() || (parenthesised && character == '.'));
        let mut exponent = Exponent::of_decimal(digits).ok_or_else(|| self.unexpected("a power"))?;
        if parenthesised && self.eat("/") {
            let below = self.run(|character| character.is_ascii_digit());
            let above = exponent.as_integer().ok_or_else(|| self.unexpected("\")\""))?;
            let fraction = below.parse().ok().and_then(|below| Exponent::fraction(above, below));
            exponent = fraction.ok_or_else(|| self.unexpected("a number"))?;
        }
        if parenthesised && !self.eat(")") {
            return Err(self.unexpected("\")\""));
        }
        Ok(if negative { exponent.negated() } else { exponent })
    }
}
