//! The bit layouts of Gaia's `source_id` and `transit_id`.
//!
//! Sources: GAIA-C3-TN-ARI-BAS-020 for the source identifier; Gaia DR3 documentation section 20.9.1 for the transit
//! identifier.

/// The identifier of a Gaia source. Solar-system objects have negative ones, which carry no pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub i64);

impl SourceId {
    /// The HEALPix pixel (NESTED) at which the source was first detected, at `order` 0 to 12; nothing for a negative id.
    ///
    /// Positions move while the id is frozen, so this prunes and never answers a spatial question.
    pub fn pixel(self, order: u8) -> Option<u64> {
        let shift = 35 + 2 * u32::from(12u8.saturating_sub(order));
        u64::try_from(self.0).ok().map(|id| id >> shift)
    }

    /// The code of the data processing centre that made the id (3 bits); nothing for a negative id.
    pub fn processing_centre(self) -> Option<u8> {
        u64::try_from(self.0).ok().map(|id| ((id >> 32) & 7) as u8)
    }

    /// The running number inside the pixel (25 bits); nothing for a negative id.
    pub fn running_number(self) -> Option<u32> {
        u64::try_from(self.0).ok().map(|id| ((id >> 7) & 0x1FF_FFFF) as u32)
    }

    /// The component of a multiple source (7 bits); nothing for a negative id.
    pub fn component(self) -> Option<u8> {
        u64::try_from(self.0).ok().map(|id| (id & 0x7F) as u8)
    }
}

/// One of Gaia's two fields of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldOfView {
    /// Field of view 1.
    Preceding,
    /// Field of view 2.
    Following,
}

/// The identifier of one passage of a source over the focal plane; sorting by it is sorting by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransitId(pub i64);

impl TransitId {
    /// On-board mission time of the transit, in nanoseconds.
    pub fn obmt_ns(self) -> i64 {
        204_800 * ((self.0 >> 17) & 0x3FF_FFFF_FFFF)
    }

    /// The field of view; nothing where the two bits hold a value Gaia does not use.
    pub fn field_of_view(self) -> Option<FieldOfView> {
        match (self.0 >> 15) & 3 {
            0 => Some(FieldOfView::Preceding),
            1 => Some(FieldOfView::Following),
            _ => None,
        }
    }

    /// The row of CCDs, 1 to 7.
    pub fn ccd_row(self) -> u8 {
        ((self.0 >> 12) & 7) as u8
    }

    /// The across-scan pixel of the reference acquisition in AF1, 0 to 4095.
    pub fn ac_pixel(self) -> u16 {
        (self.0 & 0xFFF) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_id_holds_its_pixel() {
        let id = SourceId(3425114617586286848);
        assert_eq!(id.pixel(12), Some(3425114617586286848 >> 35));
        assert_eq!(id.pixel(8), Some(3425114617586286848 >> 43));
        assert_eq!(SourceId(-4284967216).pixel(12), None);
        assert!(id.processing_centre().unwrap() < 8);
    }

    #[test]
    fn printed_transits_decode() {
        let ids = [71044382629193047, 71048474888300196, 71058215738283403].map(TransitId);
        assert_eq!(
            ids.map(|t| t.field_of_view().unwrap()),
            [FieldOfView::Preceding, FieldOfView::Following, FieldOfView::Preceding]
        );
        assert_eq!(ids.map(TransitId::ccd_row), [6, 6, 1]);
        assert_eq!(ids.map(TransitId::ac_pixel), [1367, 1700, 1419]);
        assert_eq!(ids[0].obmt_ns(), 204_800 * (71044382629193047i64 >> 17));
    }
}
