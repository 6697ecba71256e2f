<resource schema="bench">
  <meta name="title">Sources of the bench</meta>
  <meta name="description">The rows of Spolia's gaia.completesource.</meta>
  <meta name="creationDate">2025-01-01T00:00:00Z</meta>
  <meta name="subject">stars</meta>
  <meta name="creator">The bench</meta>
  <table id="sources" onDisk="True" adql="True" mixin="//scs#q3cindex" primary="source_id">
    <column name="source_id" type="bigint" required="True" ucd="meta.id;meta.main" description="Source identifier"/>
    <column name="alpha" type="double precision" unit="rad" ucd="pos.eq.ra" description="Right ascension, ICRS"/>
    <column name="delta" type="double precision" unit="rad" ucd="pos.eq.dec" description="Declination, ICRS"/>
    <column name="varpi" type="double precision" unit="mas" ucd="pos.parallax.trig" description="Parallax"/>
    <column name="mu_alpha_star" type="double precision" unit="mas/yr" ucd="pos.pm;pos.eq.ra"
      description="Proper motion in right ascension, times cos delta"/>
    <column name="mu_alpha_star_error" type="double precision" unit="mas/yr" ucd="stat.error;pos.pm;pos.eq.ra"
      description="Standard error of mu_alpha_star"/>
    <column name="mu_delta" type="double precision" unit="mas/yr" ucd="pos.pm;pos.eq.dec"
      description="Proper motion in declination"/>
    <column name="mu_delta_error" type="double precision" unit="mas/yr" ucd="stat.error;pos.pm;pos.eq.dec"
      description="Standard error of mu_delta"/>
    <column name="ra" type="double precision" unit="deg" ucd="pos.eq.ra;meta.main"
      description="Right ascension in degrees, which the index is over"/>
    <column name="dec" type="double precision" unit="deg" ucd="pos.eq.dec;meta.main"
      description="Declination in degrees, which the index is over"/>
  </table>
  <data id="import">
    <sources>rows.csv</sources>
    <csvGrammar/>
    <make table="sources"><rowmaker idmaps="*"/></make>
  </data>
</resource>
