//! Sessions: queries over the tables of one epoch, with ADQL's functions and bounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::common::config::ConfigExtension;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{
    FunctionRegistry, SendableRecordBatchStream, SessionState, SessionStateBuilder, TaskContext,
};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerRule};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement;
use serde::{Deserialize, Serialize};
use spolia_adql::{AdqlError, Schema, TapSchema};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::alike::AlikeOperands;
use crate::arithmetic::Operators;
use crate::described::described;
use crate::exact_sum::ExactSum;
use crate::query_memory::QueryMemory;
use crate::tap_schema::tap_schema_tables;
use crate::tie_break::TieBreak;
use crate::unmerged_lists::UnmergedLists;
use crate::{functions, ivo_aggregates};

/// The catalog that all tables are in; ADQL names stop at the schema.
const CATALOG: &str = "archive";
/// The schema of the tables about tables.
const TAP_SCHEMA: &str = "tap_schema";

/// Bounds on one query.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuerySettings {
    /// Memory that sorts, joins and groups of all running queries may take together, in MB.
    pub memory_mb: usize,
    /// What one query may take of it, in MB; beyond, sorts and groups spill to disk.
    pub query_memory_mb: usize,
    /// Partitions that joins and groups are computed in.
    pub partitions: usize,
    /// Rows of a table that comes with a query at most.
    pub upload_rows: usize,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self { memory_mb: 1024, query_memory_mb: 512, partitions: 2, upload_rows: 1_000_000 }
    }
}

/// A query that could not be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The text is no query this service answers.
    #[error(transparent)]
    Adql(#[from] AdqlError),
    /// The planner found a fault that the text's own check did not: types that do not fit, mostly.
    #[error("the query cannot be planned: {}", plain(.0))]
    Plan(#[source] DataFusionError),
}

/// What DataFusion has to say, without the names of its own parts and on one line.
pub fn plain(error: &DataFusionError) -> String {
    let message = error.strip_backtrace();
    if ["InSubquery(", "Exists(", "OuterReferenceColumn", "null_aware"].iter().any(|part| message.contains(part)) {
        return "a sub-query that refers to the query around it, or that stands in the ON of an outer join, is not offered in \
                this form; write it as a join"
            .to_owned();
    }
    if message.contains("Resources exhausted") {
        return "the query takes more memory than this service gives it (query_memory_mb and memory_mb in [query]); ask for less at once"
            .to_owned();
    }
    let innermost = message.rsplit("caused by\n").next().unwrap_or_default().trim();
    // What a function says of its arguments stands between DataFusion's own words.
    let of_arguments = innermost.split_once(" user-defined coercion failed with: ").map(|(_, said)| said);
    let innermost = of_arguments.map_or(innermost, |said| said.split(". No function matches").next().unwrap_or(said));
    let parts = [
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "This feature is not implemented: ",
        "Arrow error: ",
        "Cast error: ",
    ];
    let bare = parts.iter().fold(innermost, |rest, part| rest.strip_prefix(part).unwrap_or(rest));
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What all queries over one epoch have in common: its tables, ADQL's functions, and rules. Made once, since it takes longer to make
/// than a small query takes.
pub struct SessionBase {
    state: SessionState,
    schema: Arc<TapSchema>,
    tables: Vec<(String, Arc<dyn SchemaProvider>)>,
    pool: Arc<dyn MemoryPool>,
    query_memory: usize,
}

impl SessionBase {
    /// Over `tables` (schema, name, provider) that `schema` describes, with `functions` beside ADQL's own. Queries together take of
    /// `pool`.
    ///
    /// # Errors
    /// When DataFusion refuses a table.
    pub fn new(
        schema: TapSchema,
        tables: Vec<(String, String, Arc<dyn TableProvider>)>,
        functions: Vec<ScalarUDF>,
        pool: Arc<dyn MemoryPool>,
        settings: &QuerySettings,
    ) -> Result<Self, DataFusionError> {
        let mut state = state(settings);
        for function in functions::all().into_iter().chain(functions) {
            state.register_udf(Arc::new(function))?;
        }
        for aggregate in ivo_aggregates::all() {
            state.register_udaf(Arc::new(aggregate))?;
        }
        state.add_analyzer_rule(Arc::new(ExactSum::new()));
        state.add_analyzer_rule(Arc::new(TieBreak));
        let own = tap_schema_tables(&schema)?.into_iter().map(|(name, table)| (TAP_SCHEMA.to_owned(), name, table));
        let mut schemas: BTreeMap<String, MemorySchemaProvider> = BTreeMap::new();
        for (schema, name, table) in tables.into_iter().chain(own) {
            schemas.entry(schema).or_default().register_table(name, table)?;
        }
        let tables = schemas.into_iter().map(|(name, tables)| (name, Arc::new(tables) as Arc<dyn SchemaProvider>));
        let query_memory = settings.query_memory_mb << 20;
        Ok(Self { state, schema: Arc::new(schema), tables: tables.collect(), pool, query_memory })
    }

    /// A session for one query, or for several that are bounded as one; `planner` turns optimised plans into ones that run.
    ///
    /// # Errors
    /// When DataFusion refuses the bounds.
    pub fn session(&self, planner: Arc<dyn QueryPlanner + Send + Sync>) -> Result<Session, DataFusionError> {
        let mut state = self.state.clone();
        let catalog = MemoryCatalogProvider::new();
        for (name, tables) in &self.tables {
            catalog.register_schema(name, Arc::clone(tables))?;
        }
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        state.register_catalog_list(Arc::new(catalogs));
        state.mark_start_execution();
        let pool = QueryMemory::new(Arc::clone(&self.pool), self.query_memory);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build_arc()?;
        Ok(Session { state: Arc::new(state), planner, runtime, schema: Arc::clone(&self.schema) })
    }
}

/// One query over the tables of one epoch, and over what came with it.
pub struct Session {
    state: Arc<SessionState>,
    planner: Arc<dyn QueryPlanner + Send + Sync>,
    runtime: Arc<RuntimeEnv>,
    schema: Arc<TapSchema>,
}

impl Session {
    /// Adds tables that TAP_SCHEMA does not list, unless [`Session::list_added`] says so.
    ///
    /// # Errors
    /// When DataFusion refuses a table.
    pub fn add_schema(
        &mut self,
        schema: Schema,
        tables: Vec<(String, Arc<dyn TableProvider>)>,
    ) -> Result<(), DataFusionError> {
        self.register(&schema.name, tables)?;
        Arc::make_mut(&mut self.schema).schemas.push(schema);
        Ok(())
    }

    fn register(&self, schema: &str, tables: Vec<(String, Arc<dyn TableProvider>)>) -> Result<(), DataFusionError> {
        let provider = MemorySchemaProvider::new();
        for (name, table) in tables {
            provider.register_table(name, table)?;
        }
        let catalog = self.state.catalog_list().catalog(CATALOG);
        let catalog = catalog.ok_or_else(|| DataFusionError::Internal("a session has its catalog".to_owned()))?;
        catalog.register_schema(schema, Arc::new(provider))?;
        Ok(())
    }

    /// Has TAP_SCHEMA list all tables that were added so far.
    ///
    /// # Errors
    /// When DataFusion refuses its tables.
    pub fn list_added(&mut self) -> Result<(), DataFusionError> {
        let own = tap_schema_tables(&self.schema)?;
        self.register(TAP_SCHEMA, own)
    }

    /// Lets the session's functions know `option`.
    pub fn set_option(&mut self, option: impl ConfigExtension) {
        let state = Arc::make_mut(&mut self.state);
        state.config_mut().options_mut().extensions.insert(option);
        // Functions are given the options of this moment.
        state.mark_start_execution();
    }

    /// The memory that all sessions share.
    pub fn memory_pool(settings: &QuerySettings) -> Arc<dyn MemoryPool> {
        Arc::new(FairSpillPool::new(settings.memory_mb << 20))
    }

    /// Begins to run a plan of this session.
    ///
    /// # Errors
    /// When the plan cannot begin.
    pub fn run(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<SendableRecordBatchStream, DataFusionError> {
        let task = TaskContext::from(self.state.as_ref()).with_runtime(Arc::clone(&self.runtime));
        execute_stream(Arc::clone(plan), Arc::new(task))
    }

    /// Parses, checks and plans an ADQL query, with at most `limit` rows.
    ///
    /// # Errors
    /// [`PlanError::Adql`] with line and column for a fault in the text, [`PlanError::Plan`] for one in its meaning.
    pub async fn plan(&self, adql: &str, limit: Option<usize>) -> Result<LogicalPlan, PlanError> {
        let query = spolia_adql::parse(adql)?.check(&self.schema)?;
        let statement = Statement::Statement(Box::new(query.statement().clone()));
        let state = Arc::clone(&self.state);
        let columns = query.columns().to_vec();
        let plan = async move { described(state.statement_to_plan(statement).await?, &columns) };
        let plan = aside(plan).await?;
        let plan = match limit {
            Some(limit) => datafusion::logical_expr::LogicalPlanBuilder::from(plan)
                .limit(0, Some(limit))
                .and_then(datafusion::logical_expr::LogicalPlanBuilder::build)
                .map_err(PlanError::Plan)?,
            None => plan,
        };
        Ok(plan)
    }

    /// Turns a plan into one that runs.
    ///
    /// # Errors
    /// [`PlanError::Plan`] when no way to run it is found.
    pub async fn physical(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>, PlanError> {
        let (state, planner, plan) = (Arc::clone(&self.state), Arc::clone(&self.planner), plan.clone());
        aside(async move { planner.create_physical_plan(&state.optimize(&plan)?, state.as_ref()).await }).await
    }
}

/// Queries that are planned at the same time.
static PLANNING: Semaphore = Semaphore::const_new(4);

/// Plans on a thread of its own: planning computes, and other queries go on meanwhile.
async fn aside<T: Send + 'static>(
    planning: impl Future<Output = Result<T, DataFusionError>> + Send + 'static,
) -> Result<T, PlanError> {
    let permit = PLANNING.acquire().await;
    let runtime = Handle::current();
    let planned = SpawnedTask::spawn_blocking(move || {
        // Held to the end, even where nobody waits for it any more.
        let _permit = permit;
        runtime.block_on(planning)
    });
    let planned = planned.join().await;
    planned.unwrap_or_else(|broken| Err(DataFusionError::ExecutionJoin(Box::new(broken)))).map_err(PlanError::Plan)
}

fn state(settings: &QuerySettings) -> SessionState {
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, "gaia")
        .with_information_schema(false)
        .with_target_partitions(settings.partitions);
    // ADQL's own rules for identifiers have been applied already; DataFusion must fold nothing.
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    // In DataFusion 55.2 a limit above DISTINCT fails where the rows below it are in an order ("Ordering direction required").
    config.options_mut().optimizer.enable_distinct_aggregation_soft_limit = false;
    // DataFusion 55.2 takes the metadata that the sides of a UNION have in common for those of its plan, and those of one side for those of
    // its rows, and then finds that they differ.
    config.options_mut().execution.skip_physical_aggregate_schema_check = true;
    // Asked before DataFusion's own, which the default features add.
    let operators: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(Operators::new())];
    // DataFusion makes alike what is left.
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(AlikeOperands)];
    rules.extend(Analyzer::new().rules);
    let builder = SessionStateBuilder::new().with_config(config).with_analyzer_rules(rules);
    let instead = |rule: Arc<dyn OptimizerRule + Send + Sync>| -> Arc<dyn OptimizerRule + Send + Sync> {
        if rule.name() == UnmergedLists::NAME { Arc::new(UnmergedLists::new()) } else { rule }
    };
    let builder = builder.with_optimizer_rules(Optimizer::new().rules.into_iter().map(instead).collect());
    builder.with_expr_planners(operators).with_default_features().build()
}
