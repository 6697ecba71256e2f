"""What astropy makes of units, frames and motions, beside what an answer says: sky_judge.py answer.vot

The answer's units are read by astropy, so each of them must be one of VOUnits.
"""

import sys
import warnings

import astropy.units as u
import numpy as np
from astropy.coordinates import FK4NoETerms, Galactic, SkyCoord
from astropy.io.votable import parse_single_table
from astropy.time import Time

warnings.simplefilter("error", u.UnitsWarning)
table = parse_single_table(sys.argv[1]).to_table(use_names_over_ids=True)
assert len(table) > 50, len(table)


def quantity(name):
    return np.ma.filled(np.ma.asarray(table[name].data), np.nan) * table[name].unit


def same(what, found, expected, within):
    difference = np.nanmax(np.abs(np.asarray(found, dtype=float) - np.asarray(expected, dtype=float)))
    assert difference <= within, f"{what} differs by {difference}"


def relative(what, found, expected):
    same(what, (found / expected).to_value(u.one), np.ones(len(table)), 1e-12)


# Units: the same quantity in another one, and what arithmetic makes of them.
parallax, pm_ra, pm_dec = quantity("varpi"), quantity("mu_alpha_star"), quantity("mu_delta")
for name in ["parallax_arcsec", "parallax_rad"]:
    relative(name, quantity(name), parallax)
speed = np.sqrt(pm_ra**2 + pm_dec**2)
for name in ["speed", "speed_deg_d"]:
    relative(name, quantity(name), speed)
relative("tangential", quantity("tangential"), speed / parallax)
relative("velocity", quantity("velocity"), quantity("radial_velocity"))
assert table["size_deg2"].unit == u.deg**2 and table["ra"].unit == u.deg

def positions(name, frame):
    points = np.asarray(table[name])
    return SkyCoord(points[:, 0] * u.deg, points[:, 1] * u.deg, frame=frame)


# Frames.
stars = SkyCoord(quantity("ra"), quantity("dec"), frame="icrs")
expected = np.column_stack([stars.galactic.l.deg, stars.galactic.b.deg])
same("galactic", table["galactic"], expected, 1e-9)
back = positions("fk4", FK4NoETerms(equinox="B1950")).transform_to(Galactic())
same("FK4", back.separation(stars.galactic).deg, np.zeros(len(table)), 1e-5)
ecliptic = stars.transform_to("barycentricmeanecliptic")
found = positions("ecliptic", ecliptic.frame.replicate_without_data())
same("ecliptic", found.separation(ecliptic).deg, np.zeros(len(table)), 2e-5)

# Motions, for a hundred years. astropy counts the time that light takes, which we do not.
moving = SkyCoord(
    quantity("ra"),
    quantity("dec"),
    distance=(1 / quantity("near").to_value(u.arcsec)) * u.pc,
    pm_ra_cosdec=pm_ra,
    pm_dec=pm_dec,
    radial_velocity=quantity("radial_velocity"),
    obstime=Time(2016.0, format="jyear", scale="tcb"),
)
known = np.isfinite(quantity("radial_velocity").value) & np.isfinite(pm_ra.value)
assert known.sum() > 20, known.sum()
then = moving[known].apply_space_motion(new_obstime=Time(2116.0, format="jyear", scale="tcb"))
found = positions("moved", "icrs")[known]
apart = found.separation(SkyCoord(then.ra, then.dec, frame="icrs")).to_value(u.mas)
assert np.nanmax(apart) < 2, np.nanmax(apart)
whole = np.asarray(table["all_then"])[known]
expected = then.pm_ra_cosdec.to_value(u.mas / u.yr)
assert np.allclose(whole[:, 3], expected, rtol=1e-3, atol=1e-3), np.nanmax(np.abs(whole[:, 3] - expected))
assert np.allclose(whole[:, 5], then.radial_velocity.to_value(u.km / u.s), rtol=1e-3, atol=1e-2)
print(len(table), "rows agree")
