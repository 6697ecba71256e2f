//! The columns of ObsCore. ObsCore 1.1, sections 3 and 4 and appendix B.

/// A column of ObsCore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObsCoreColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ObsCoreKind,
    /// Unit, VOUnits; empty for none.
    pub unit: &'static str,
    /// Unified content descriptor.
    pub ucd: &'static str,
    /// Its role in the data model, without the prefix `obscore:`.
    pub utype: &'static str,
    /// What it means.
    pub description: &'static str,
}

/// The type of a column of ObsCore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObsCoreKind {
    /// Text.
    Text,
    /// 32-bit integer.
    Integer,
    /// 64-bit integer.
    Long,
    /// 64-bit float.
    Double,
    /// A polygon on the sky, as DALI writes it: `lon1 lat1 lon2 lat2 lon3 lat3 …`, degrees.
    Region,
}

use ObsCoreKind::{Double, Integer, Long, Region, Text};

/// The mandatory columns, in the order of the standard's tables.
#[rustfmt::skip]
pub const OBSCORE_COLUMNS: &[ObsCoreColumn] = &[
    column("dataproduct_type", Text, "", "meta.code.class", "ObsDataset.dataProductType", "What kind of data it is: image, cube, spectrum, sed, timeseries, visibility, event, measurements"),
    column("calib_level", Integer, "", "meta.code;obs.calib", "ObsDataset.calibLevel", "How far it is calibrated: 0 raw to 4 analysed"),
    column("obs_collection", Text, "", "meta.id", "DataID.collection", "The collection it belongs to"),
    column("obs_id", Text, "", "meta.id", "DataID.observationID", "The observation, within the collection"),
    column("obs_publisher_did", Text, "", "meta.ref.ivoid", "Curation.publisherDID", "Its identifier in the Virtual Observatory"),
    column("access_url", Text, "", "meta.ref.url", "Access.reference", "Where it is to be had: its links"),
    column("access_format", Text, "", "meta.code.mime", "Access.format", "The media type of what access_url gives"),
    column("access_estsize", Long, "kbyte", "phys.size;meta.file", "Access.size", "Its size, about"),
    column("target_name", Text, "", "meta.id;src", "Target.name", "The name of what was observed"),
    column("s_ra", Double, "deg", "pos.eq.ra", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1", "Right ascension of its middle, ICRS"),
    column("s_dec", Double, "deg", "pos.eq.dec", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2", "Declination of its middle, ICRS"),
    column("s_fov", Double, "deg", "phys.angSize;instr.fov", "Char.SpatialAxis.Coverage.Bounds.Extent.diameter", "The diameter of the region that it covers, about"),
    column("s_region", Region, "", "pos.outline;obs.field", "Char.SpatialAxis.Coverage.Support.Area", "The region that it covers, ICRS"),
    column("s_xel1", Long, "", "meta.number", "Char.SpatialAxis.numBins1", "Elements along its first spatial axis"),
    column("s_xel2", Long, "", "meta.number", "Char.SpatialAxis.numBins2", "Elements along its second spatial axis"),
    column("s_resolution", Double, "arcsec", "pos.angResolution", "Char.SpatialAxis.Resolution.Refval.value", "Spatial resolution"),
    column("t_min", Double, "d", "time.start;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StartTime", "When it begins, modified Julian date"),
    column("t_max", Double, "d", "time.end;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StopTime", "When it ends, modified Julian date"),
    column("t_exptime", Double, "s", "time.duration;obs.exposure", "Char.TimeAxis.Coverage.Support.Extent", "Exposure time"),
    column("t_resolution", Double, "s", "time.resolution", "Char.TimeAxis.Resolution.Refval.value", "Resolution in time"),
    column("t_xel", Long, "", "meta.number", "Char.TimeAxis.numBins", "Elements along its time axis"),
    column("em_min", Double, "m", "em.wl;stat.min", "Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit", "The shortest wavelength"),
    column("em_max", Double, "m", "em.wl;stat.max", "Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit", "The longest wavelength"),
    column("em_res_power", Double, "", "spect.resolution", "Char.SpectralAxis.Resolution.ResolPower.refVal", "Spectral resolving power"),
    column("em_xel", Long, "", "meta.number", "Char.SpectralAxis.numBins", "Elements along its spectral axis"),
    column("o_ucd", Text, "", "meta.ucd", "Char.ObservableAxis.ucd", "The UCD of what was measured"),
    column("pol_states", Text, "", "meta.code;phys.polarization", "Char.PolarizationAxis.stateList", "Its states of polarisation, as /I/Q/U/"),
    column("pol_xel", Long, "", "meta.number", "Char.PolarizationAxis.numBins", "How many states of polarisation there are"),
    column("facility_name", Text, "", "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name", "The observatory or mission"),
    column("instrument_name", Text, "", "meta.id;instr", "Provenance.ObsConfig.Instrument.name", "The instrument"),
];

const fn column(
    name: &'static str,
    kind: ObsCoreKind,
    unit: &'static str,
    ucd: &'static str,
    utype: &'static str,
    description: &'static str,
) -> ObsCoreColumn {
    ObsCoreColumn { name, kind, unit, ucd, utype, description }
}
