//! The numbered steps that make and change the control database's tables.

use tokio_postgres::GenericClient;

use crate::error::{Act, CatalogueError};

/// The steps in order; step n brings the database from version n to n + 1. Published steps are never edited.
const STEPS: &[&str] = &[
    "
CREATE TABLE spolia.collection (
    name        text PRIMARY KEY,
    definition  jsonb NOT NULL
);
CREATE TABLE spolia.batch (
    batch       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection  text NOT NULL REFERENCES spolia.collection,
    state       text NOT NULL CHECK (state IN ('loading', 'visible', 'abandoned')),
    started     timestamptz NOT NULL DEFAULT now(),
    ended       timestamptz
);
CREATE UNIQUE INDEX batch_one_loading ON spolia.batch (collection) WHERE state = 'loading';
CREATE TABLE spolia.file (
    file_id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection      text NOT NULL REFERENCES spolia.collection,
    table_name      text NOT NULL,
    file_name       text NOT NULL,
    file_extension  text NOT NULL,
    file_version    integer NOT NULL,
    did_rse         text NOT NULL,
    did_scope       text NOT NULL,
    did_name        text NOT NULL,
    checksum        text NOT NULL,
    adler32         text NOT NULL,
    size            bigint NOT NULL,
    location        text NOT NULL,
    objects         bigint,
    batch           integer NOT NULL REFERENCES spolia.batch,
    state           text NOT NULL CHECK (state IN ('loading', 'loaded')),
    superseded      integer REFERENCES spolia.batch,
    UNIQUE (collection, file_name, file_version)
);
CREATE INDEX file_batch ON spolia.file (batch);
CREATE TABLE spolia.manifest (
    epoch       bigint PRIMARY KEY,
    published   timestamptz NOT NULL DEFAULT now(),
    document    jsonb NOT NULL
);
CREATE TABLE spolia.signing_key (
    version     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    secret      bytea NOT NULL,
    created     timestamptz NOT NULL DEFAULT now()
);
",
    // Nodes keep the unit vector of each position, which rows of before have not.
    "DO $$ BEGIN
    IF EXISTS (SELECT FROM spolia.manifest) THEN
        RAISE EXCEPTION 'the rows of this site were written by an earlier version; make a new site and ingest its files there';
    END IF;
END $$",
    // The length of an array belongs to its type: {"type": "integer", "length": 10} is {"type": "integer[10]"}.
    "
UPDATE spolia.collection SET definition = jsonb_set(definition, '{table}', (
    SELECT jsonb_agg(jsonb_set(t, '{column}', (
        SELECT jsonb_agg(CASE WHEN c ? 'length'
                THEN c - 'length' || jsonb_build_object('type', format('%s[%s]', c->>'type', c->>'length'))
                ELSE c END ORDER BY c_place)
        FROM jsonb_array_elements(t->'column') WITH ORDINALITY AS columns(c, c_place))) ORDER BY t_place)
    FROM jsonb_array_elements(definition->'table') WITH ORDINALITY AS tables(t, t_place)))
WHERE definition @? '$.table[*].column[*].length'",
    // Bounds of columns are kept by batch; those that were kept by chunk hold for all batches of before.
    "
UPDATE spolia.manifest SET document = jsonb_set(document, '{chunks}', (
    SELECT jsonb_agg(jsonb_set(c, '{tables}', (
        SELECT coalesce(jsonb_object_agg(key, (stats - 'bounds') || jsonb_build_object('batches', jsonb_build_array(
                jsonb_build_object('first', 1, 'last', document #> '{visibility,watermark}', 'bounds', stats->'bounds')))), '{}')
        FROM jsonb_each(c->'tables') AS tables(key, stats))) ORDER BY place)
    FROM jsonb_array_elements(document->'chunks') WITH ORDINALITY AS chunks(c, place)))
WHERE document @? '$.chunks[*].tables.*.bounds'",
    "
CREATE TABLE IF NOT EXISTS spolia.job (
    job_id                text PRIMARY KEY,
    kind                  text NOT NULL,
    spec                  jsonb NOT NULL,
    owner                 text,
    run_id                text,
    phase                 text NOT NULL CHECK (phase IN ('PENDING', 'QUEUED', 'EXECUTING', 'COMPLETED', 'ERROR', 'ABORTED', 'HELD',
                              'SUSPENDED', 'UNKNOWN', 'ARCHIVED')),
    created               timestamptz NOT NULL DEFAULT now(),
    started               timestamptz,
    ended                 timestamptz,
    destruction           timestamptz NOT NULL,
    execution_duration_s  integer NOT NULL,
    error                 jsonb,
    results               jsonb NOT NULL DEFAULT '[]',
    attempts              integer NOT NULL DEFAULT 0,
    worker                text,
    worker_until          timestamptz
);
CREATE INDEX IF NOT EXISTS job_waiting ON spolia.job (created) WHERE phase IN ('QUEUED', 'EXECUTING');
CREATE INDEX IF NOT EXISTS job_owner ON spolia.job (owner, created)",
    "
CREATE TABLE IF NOT EXISTS spolia.registry_record (
    identifier  text PRIMARY KEY,
    digest      text NOT NULL,
    created     timestamptz NOT NULL,
    updated     timestamptz NOT NULL,
    deleted     boolean NOT NULL
)",
    "
CREATE TABLE IF NOT EXISTS spolia.user_schema (
    owner        text PRIMARY KEY,
    schema_name  text NOT NULL UNIQUE,
    shard_group  integer NOT NULL,
    created      timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS spolia.user_table (
    number       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner        text NOT NULL REFERENCES spolia.user_schema,
    table_name   text NOT NULL,
    definition   jsonb NOT NULL,
    state        text NOT NULL CHECK (state IN ('new', 'kept', 'dropped')),
    rows         bigint NOT NULL DEFAULT 0,
    bytes        bigint NOT NULL DEFAULT 0,
    created      timestamptz NOT NULL DEFAULT now(),
    destruction  timestamptz NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS user_table_name ON spolia.user_table (owner, table_name) WHERE state <> 'dropped'",
    "
ALTER TABLE spolia.job ADD COLUMN IF NOT EXISTS scheduler text, ADD COLUMN IF NOT EXISTS progress double precision,
    ADD COLUMN IF NOT EXISTS told text;
CREATE TABLE IF NOT EXISTS spolia.job_attempt (
    job_id       text NOT NULL,
    number       integer NOT NULL,
    scheduler    text NOT NULL,
    external_id  text,
    state        text NOT NULL,
    raw          text,
    reason       text,
    exit_code    integer,
    nodes        text,
    restarts     integer NOT NULL DEFAULT 0,
    submitted    timestamptz NOT NULL DEFAULT now(),
    started      timestamptz,
    ended        timestamptz,
    PRIMARY KEY (job_id, number)
);
CREATE INDEX IF NOT EXISTS job_attempt_open ON spolia.job_attempt (scheduler) WHERE ended IS NULL",
];

/// The version this program reads and writes.
pub(crate) const VERSION: i32 = STEPS.len() as i32;

/// The version of the database; 0 where nothing has been set up.
pub(crate) async fn version(client: &impl GenericClient) -> Result<i32, CatalogueError> {
    let row =
        client.query_one("SELECT to_regclass('spolia.version') IS NOT NULL", &[]).await.act("look for its version")?;
    if !row.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = client.query_one("SELECT max(version) FROM spolia.version", &[]).await.act("read its version")?;
    Ok(row.get::<_, Option<i32>>(0).unwrap_or(0))
}

/// Brings the database to [`VERSION`] in one transaction.
pub(crate) async fn migrate(client: &mut tokio_postgres::Client) -> Result<(), CatalogueError> {
    let transaction = client.transaction().await.act("begin a migration")?;
    transaction
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS spolia;
             CREATE TABLE IF NOT EXISTS spolia.version (version integer NOT NULL);
             LOCK TABLE spolia.version IN EXCLUSIVE MODE",
        )
        .await
        .act("make its schema")?;
    let found = version(&transaction).await?;
    if found > VERSION {
        return Err(CatalogueError::TooNew { found, known: VERSION });
    }
    for (step, sql) in STEPS.iter().enumerate().skip(found as usize) {
        transaction.batch_execute(sql).await.act("migrate")?;
        transaction
            .execute("INSERT INTO spolia.version VALUES ($1)", &[&(step as i32 + 1)])
            .await
            .act("note a migration")?;
    }
    transaction.commit().await.act("commit a migration")
}
