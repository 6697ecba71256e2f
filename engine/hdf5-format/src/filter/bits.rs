//! A stream of bits, the most significant of each byte first.

/// Reads bits from the front.
#[derive(Debug, Clone)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits that have been read.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits that are left.
    pub(super) fn left(&self) -> usize {
        8 * self.bytes.len() - self.at
    }

    /// The next `count` bits as a number, 128 at most; nothing when fewer are left.
    pub(super) fn take(&mut self, count: usize) -> Option<u128> {
        if count > 128 || count > self.left() {
            return None;
        }
        let (mut value, mut wanted) = (0u128, count);
        while wanted > 0 {
            let (byte, used) = (self.bytes[self.at / 8], self.at % 8);
            let taken = wanted.min(8 - used);
            let part = (byte << used) >> (8 - taken);
            value = value << taken | u128::from(part);
            self.at += taken;
            wanted -= taken;
        }
        Some(value)
    }

    /// The zeros before the next one, which is taken as well.
    pub(super) fn unary(&mut self) -> Option<u64> {
        let mut zeros = 0;
        loop {
            let byte = *self.bytes.get(self.at / 8)? << (self.at % 8);
            let rest = 8 - self.at % 8;
            let found = (byte.leading_zeros() as usize).min(rest);
            zeros += found as u64;
            self.at += found;
            if found < rest {
                self.at += 1;
                return Some(zeros);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn bits_are_taken_across_bytes() {
        let mut bits = Bits::new(&[0b1010_0110, 0b1111_0000, 0b0000_0001]);
        assert_eq!((bits.take(3), bits.take(7), bits.take(0)), (Some(0b101), Some(0b001_1011), Some(0)));
        assert_eq!((bits.unary(), bits.unary(), bits.unary(), bits.unary()), (Some(0), Some(0), Some(11), None));
        assert_eq!(bits.take(1), None);
    }
}
