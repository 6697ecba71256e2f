//! The optional features of ADQL 2.1 that this service has: what it declares, and what its tests try out. TAPRegExt 1.0 section 2.3.

/// A group of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeatureType {
    /// Geometry functions, ADQL 2.1 section 4.2.
    Geometry,
    /// String functions and operators, section 4.4.
    String,
    /// WITH, section 4.5.
    CommonTable,
    /// Set operations, section 4.6.
    Sets,
    /// Type operations, section 4.7.
    Type,
    /// Conditional functions, section 4.8.
    Conditional,
    /// Unit operations, section 4.9.
    Unit,
    /// OFFSET, section 4.10.
    Offset,
    /// User defined functions, section 4.3.
    UserDefined,
}

impl FeatureType {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Geometry,
        Self::String,
        Self::CommonTable,
        Self::Sets,
        Self::Type,
        Self::Conditional,
        Self::Unit,
        Self::Offset,
        Self::UserDefined,
    ];

    /// The identifier of the group in a service's capabilities.
    pub fn id(self) -> &'static str {
        match self {
            Self::Geometry => "ivo://ivoa.net/std/TAPRegExt#features-adqlgeo",
            Self::String => "ivo://ivoa.net/std/TAPRegExt#features-adql-string",
            Self::CommonTable => "ivo://ivoa.net/std/TAPRegExt#features-adql-common-table",
            Self::Sets => "ivo://ivoa.net/std/TAPRegExt#features-adql-sets",
            Self::Type => "ivo://ivoa.net/std/TAPRegExt#features-adql-type",
            Self::Conditional => "ivo://ivoa.net/std/TAPRegExt#features-adql-conditional",
            Self::Unit => "ivo://ivoa.net/std/TAPRegExt#features-adql-unit",
            Self::Offset => "ivo://ivoa.net/std/TAPRegExt#features-adql-offset",
            Self::UserDefined => "ivo://ivoa.net/std/TAPRegExt#features-udf",
        }
    }

    /// The features of this group.
    pub fn features(self) -> impl Iterator<Item = &'static Feature> {
        FEATURES.iter().filter(move |feature| feature.feature_type == self)
    }
}

/// An optional feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its group.
    pub feature_type: FeatureType,
    /// Its word, or the signature of a user defined function.
    pub form: &'static str,
    /// What it does, for people; nothing where the standard says it.
    pub description: &'static str,
    /// A query that uses it, over `gaia.completesource`.
    pub example: &'static str,
}

impl Feature {
    /// Its word, without the rest of a signature.
    pub fn word(&self) -> &'static str {
        self.form.split('(').next().unwrap_or_default()
    }
}

/// All optional features, in the order in which they are declared.
pub fn features() -> &'static [Feature] {
    FEATURES
}

const fn of_standard(feature_type: FeatureType, form: &'static str, example: &'static str) -> Feature {
    Feature { feature_type, form, description: "", example }
}

const fn geometry(form: &'static str, example: &'static str) -> Feature {
    of_standard(FeatureType::Geometry, form, example)
}

const fn function(form: &'static str, description: &'static str, example: &'static str) -> Feature {
    Feature { feature_type: FeatureType::UserDefined, form, description, example }
}

const FEATURES: &[Feature] = &[
    geometry("AREA", "SELECT AREA(CIRCLE(1, 2, 3)) AS a FROM gaia.completesource"),
    geometry("BOX", "SELECT BOX(1, 2, 3, 4) AS b FROM gaia.completesource"),
    geometry("CENTROID", "SELECT CENTROID(POLYGON(1, 2, 3, 4, 5, 7)) AS c FROM gaia.completesource"),
    geometry("CIRCLE", "SELECT CIRCLE(DEGREES(alpha), DEGREES(delta), 0.1) AS c FROM gaia.completesource"),
    geometry(
        "CONTAINS",
        "SELECT source_id FROM gaia.completesource \
         WHERE 1 = CONTAINS(POINT(DEGREES(alpha), DEGREES(delta)), CIRCLE(92.72, 23.03, 0.1))",
    ),
    geometry("COORD1", "SELECT COORD1(POINT(DEGREES(alpha), DEGREES(delta))) AS ra FROM gaia.completesource"),
    geometry("COORD2", "SELECT COORD2(POINT(DEGREES(alpha), DEGREES(delta))) AS dec FROM gaia.completesource"),
    geometry("COORDSYS", "SELECT COORDSYS(POINT(1, 2)) AS c FROM gaia.completesource"),
    geometry(
        "DISTANCE",
        "SELECT DISTANCE(POINT(DEGREES(alpha), DEGREES(delta)), POINT(92.72, 23.03)) AS d FROM gaia.completesource",
    ),
    geometry(
        "INTERSECTS",
        "SELECT source_id FROM gaia.completesource \
         WHERE 1 = INTERSECTS(CIRCLE(DEGREES(alpha), DEGREES(delta), 0.1), BOX(92.72, 23.03, 1, 1))",
    ),
    geometry("POINT", "SELECT POINT(DEGREES(alpha), DEGREES(delta)) AS p FROM gaia.completesource"),
    geometry("POLYGON", "SELECT POLYGON(1, 2, 3, 4, 5, 7) AS p FROM gaia.completesource"),
    geometry("REGION", "SELECT AREA(REGION('CIRCLE ICRS 1 2 3')) AS a FROM gaia.completesource"),
    of_standard(FeatureType::String, "LOWER", "SELECT LOWER(file_name) AS l FROM gaia.completesource"),
    of_standard(FeatureType::String, "UPPER", "SELECT UPPER(file_name) AS u FROM gaia.completesource"),
    of_standard(
        FeatureType::String,
        "ILIKE",
        "SELECT source_id FROM gaia.completesource WHERE file_name ILIKE 'complete%'",
    ),
    of_standard(
        FeatureType::CommonTable,
        "WITH",
        "WITH near AS (SELECT source_id FROM gaia.completesource WHERE varpi > 10) SELECT source_id FROM near",
    ),
    of_standard(
        FeatureType::Sets,
        "UNION",
        "SELECT source_id FROM gaia.completesource UNION SELECT source_id FROM gaia.completesource",
    ),
    of_standard(
        FeatureType::Sets,
        "EXCEPT",
        "SELECT source_id FROM gaia.completesource EXCEPT SELECT source_id FROM gaia.completesource WHERE varpi > 1",
    ),
    of_standard(
        FeatureType::Sets,
        "INTERSECT",
        "SELECT source_id FROM gaia.completesource INTERSECT SELECT source_id FROM gaia.completesource",
    ),
    of_standard(FeatureType::Type, "CAST", "SELECT CAST(varpi AS INTEGER) AS i FROM gaia.completesource"),
    of_standard(FeatureType::Conditional, "COALESCE", "SELECT COALESCE(varpi, 0) AS v FROM gaia.completesource"),
    of_standard(FeatureType::Unit, "IN_UNIT", "SELECT IN_UNIT(varpi, 'arcsec') AS v FROM gaia.completesource"),
    of_standard(FeatureType::Offset, "OFFSET", "SELECT source_id FROM gaia.completesource ORDER BY source_id OFFSET 3"),
    function(
        "gaia_healpix_index(hpxOrder INTEGER, source_id BIGINT) -> BIGINT",
        "The HEALPix pixel (NESTED, order 0 to 12) in a Gaia source's identifier: that of its position at first detection",
        "SELECT GAIA_HEALPIX_INDEX(6, source_id) AS p FROM gaia.completesource",
    ),
    function(
        "ivo_healpix_index(hpxOrder INTEGER, lon DOUBLE, lat DOUBLE) -> BIGINT",
        "The HEALPix pixel (NESTED, order 0 to 29) of a position in degrees",
        "SELECT IVO_HEALPIX_INDEX(6, DEGREES(alpha), DEGREES(delta)) AS p FROM gaia.completesource",
    ),
    function(
        "ivo_healpix_index(hpxOrder INTEGER, p POINT) -> BIGINT",
        "The HEALPix pixel (NESTED, order 0 to 29) of a point",
        "SELECT IVO_HEALPIX_INDEX(6, POINT(DEGREES(alpha), DEGREES(delta))) AS p FROM gaia.completesource",
    ),
    function(
        "ivo_healpix_center(hpxOrder INTEGER, hpxIndex BIGINT) -> POINT",
        "The middle of a HEALPix pixel (NESTED, order 0 to 29)",
        "SELECT IVO_HEALPIX_CENTER(6, GAIA_HEALPIX_INDEX(6, source_id)) AS c FROM gaia.completesource",
    ),
    function(
        "ivo_epoch_prop_pos(ra DOUBLE, dec DOUBLE, parallax DOUBLE, pmra DOUBLE, pmdec DOUBLE, radial_velocity DOUBLE, \
         ref_epoch DOUBLE, out_epoch DOUBLE) -> POINT",
        "Where a star is at out_epoch that has these parameters (deg, mas, mas/yr, km/s) at ref_epoch (Julian years): it moves in a \
         straight line. NULL counts as 0, but in ra, dec and the epochs, where it is an error",
        "SELECT IVO_EPOCH_PROP_POS(DEGREES(alpha), DEGREES(delta), varpi, mu_alpha_star, mu_delta, radial_velocity, 2016.0, 2000.0) \
         AS p FROM gaia.completesource",
    ),
    function(
        "ivo_epoch_prop(ra DOUBLE, dec DOUBLE, parallax DOUBLE, pmra DOUBLE, pmdec DOUBLE, radial_velocity DOUBLE, \
         ref_epoch DOUBLE, out_epoch DOUBLE) -> DOUBLE[6]",
        "The first six arguments at out_epoch, as ivo_epoch_prop_pos computes the position",
        "SELECT IVO_EPOCH_PROP(DEGREES(alpha), DEGREES(delta), varpi, mu_alpha_star, mu_delta, radial_velocity, 2016.0, 2000.0) \
         AS p FROM gaia.completesource",
    ),
    function(
        "ivo_geom_transform(from_sys TEXT, to_sys TEXT, geo GEOMETRY) -> GEOMETRY",
        "A point, circle or polygon in another reference frame: ICRS, FK5 (J2000.0, taken for ICRS), FK4 (B1950.0), GALACTIC or \
         ECLIPTIC (J2000.0), by rotation; both names are string literals",
        "SELECT IVO_GEOM_TRANSFORM('ICRS', 'GALACTIC', POINT(DEGREES(alpha), DEGREES(delta))) AS p FROM gaia.completesource",
    ),
    function(
        "ivo_string_agg(expression TEXT, delimiter TEXT) -> TEXT",
        "An aggregate: all texts of a group in the order of their bytes, with the delimiter (a string literal) between them; NULLs \
         are left out",
        "SELECT file_name, IVO_STRING_AGG(key_name, ', ') AS k FROM gaia.completesource GROUP BY file_name",
    ),
    function(
        "ivo_histogram(val DOUBLE, lower DOUBLE, upper DOUBLE, nbins INTEGER) -> INTEGER[]",
        "An aggregate: how many values lie below lower, in each of nbins bins of equal width, and above upper; NULL counts as below. \
         The bounds and nbins are literals",
        "SELECT IVO_HISTOGRAM(varpi, 0, 10, 5) AS h FROM gaia.completesource",
    ),
    function(
        "ivo_normal_random(mu DOUBLE, sigma DOUBLE) -> DOUBLE",
        "A random number of a normal distribution, another one in every row",
        "SELECT IVO_NORMAL_RANDOM(10, 5) AS r FROM gaia.completesource",
    ),
    function(
        "ivo_hasword(haystack TEXT, needle TEXT) -> INTEGER",
        "1 if all words of needle are words of haystack, in any case of letters, else 0",
        "SELECT IVO_HASWORD(file_name, 'complete') AS w FROM gaia.completesource",
    ),
    function(
        "ivo_nocasematch(value TEXT, pattern TEXT) -> INTEGER",
        "1 if value is LIKE pattern, in any case of letters, else 0",
        "SELECT IVO_NOCASEMATCH(file_name, 'complete%') AS m FROM gaia.completesource",
    ),
    function(
        "ivo_hashlist_has(hashlist TEXT, item TEXT) -> INTEGER",
        "1 if item is one of the words between hash signs, in any case of letters, else 0",
        "SELECT IVO_HASHLIST_HAS('h5#hdf5', file_extension) AS h FROM gaia.completesource",
    ),
    function(
        "ivo_interval_overlaps(a1 NUMERIC, b1 NUMERIC, a2 NUMERIC, b2 NUMERIC) -> INTEGER",
        "1 if [a1, b1] and [a2, b2] have a number in common, else 0",
        "SELECT IVO_INTERVAL_OVERLAPS(varpi, varpi + 1, 2, 3) AS o FROM gaia.completesource",
    ),
    function(
        "ivo_to_jd(d TIMESTAMP) -> DOUBLE",
        "A timestamp as a Julian date",
        "SELECT IVO_TO_JD('2000-01-01T12:00:00') AS j FROM gaia.completesource",
    ),
    function(
        "ivo_to_mjd(d TIMESTAMP) -> DOUBLE",
        "A timestamp as a modified Julian date",
        "SELECT IVO_TO_MJD(CAST('2000-01-01' AS TIMESTAMP)) AS j FROM gaia.completesource",
    ),
    function(
        "ivo_hms_to_degrees(hms TEXT) -> DOUBLE",
        "Hours, minutes and seconds (3:34:45.4, 3h34m45.4s, 033445.4) as degrees; NULL for what is none",
        "SELECT IVO_HMS_TO_DEGREES('3h34m45.4s') AS d FROM gaia.completesource",
    ),
    function(
        "ivo_dms_to_degrees(dms TEXT) -> DOUBLE",
        "Degrees, minutes and seconds (-42:9:6.8, -42d9m6.8s, -420906.8) as degrees; NULL for what is none",
        "SELECT IVO_DMS_TO_DEGREES('-42:9:6.8') AS d FROM gaia.completesource",
    ),
    function(
        "stddev(x DOUBLE) -> DOUBLE",
        "An aggregate: the standard deviation of a sample",
        "SELECT STDDEV(varpi) AS s FROM gaia.completesource",
    ),
    function(
        "variance(x DOUBLE) -> DOUBLE",
        "An aggregate: the variance of a sample",
        "SELECT VARIANCE(varpi) AS v FROM gaia.completesource",
    ),
];
