//! The sky without I/O: positions, frames and motions, cones, polygons, HEALPix ranges, and the bit layouts of Gaia's identifiers.

mod cone;
mod frame;
mod gaia_ids;
mod healpix;
mod motion;
mod polygon;
mod position;
mod region;
mod zone;

pub use cone::{Cone, Reach};
pub use frame::Frame;
pub use gaia_ids::{FieldOfView, SourceId, TransitId};
pub use healpix::{HPX29_ORDER, PIXEL_ORDER, PIXELS, PixelRanges, healpix_centre, healpix_index};
pub use motion::Motion;
pub use polygon::{Convex, MOST_VERTICES, Polygon};
pub use position::{Position, SkyError};
pub use region::Region;
pub use zone::Zone;
