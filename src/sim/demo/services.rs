//! What runs in the demo: a shop, as the ECS commands that make it.

use super::GRACE_S;
use crate::controller::Command;
use crate::controller::command::schedule::PutSchedule;
use crate::controller::command::{CreateService, RegisterTaskDefinition};
use crate::model::id::IdError;
use crate::model::service::{
    CircuitBreaker, PlacementConstraint, PlacementConstraintKind, PlacementStrategy,
    PlacementStrategyKind, SchedulingStrategy,
};
use crate::model::task_definition::{
    Dependency, DependencyCondition, HealthCheck, KeyValue, NetworkMode, PortMapping,
};
use crate::model::{
    CapacityProviderName, CapacityProviderStrategyItem, ContainerDefinition, ContainerName,
    CpuUnits, Family, LaunchType, MemoryMib, ScheduleName, ServiceName,
};

/// What `web` runs at first.
pub const IMAGE_WEB: &str = "shop/web:1.8.2";
/// What `web` is updated to on the voyage.
pub const IMAGE_WEB_NEXT: &str = "shop/web:1.9.0";
const IMAGE_PROXY: &str = "shop/edge-proxy:0.31";
const IMAGE_API: &str = "shop/api:2.7.1";
/// What `api` was before, oldest first.
const IMAGES_API_BEFORE: [&str; 2] = ["shop/api:2.6.4", "shop/api:2.7.0"];
const IMAGE_WORKER: &str = "shop/worker:3.1.0";
const IMAGE_CHECKOUT: &str = "shop/checkout:5.0.4";
/// What `search` runs, and what it can be updated to.
const IMAGE_SEARCH: &str = "shop/search:0.12.0";
const IMAGE_SEARCH_NEXT: &str = "shop/search:0.13.0";
const IMAGE_DB: &str = "shop/postgres:16.9";
const IMAGE_MAILER: &str = "shop/mailer:1.3.0";
const IMAGE_THUMBNAILS: &str = "shop/thumbnails:0.9.2";
const IMAGE_REPORT: &str = "shop/report:4.1.0";
const IMAGE_LOG_AGENT: &str = "ops/log-agent:2.4";
/// The role of what handles money: it may run the shop's own images only.
pub(super) const ROLE_CHECKOUT: &str = "checkout";
/// The instances that may be gone tomorrow.
pub(super) const PROVIDER_SPOT: &str = "spot";
/// The instances that stay.
pub(super) const PROVIDER_STEADY: &str = "steady";

/// What most hosts have already.
pub(super) const IMAGES: [&str; 13] = [
    IMAGES_API_BEFORE[0],
    IMAGES_API_BEFORE[1],
    IMAGE_SEARCH_NEXT,
    IMAGE_WEB,
    IMAGE_PROXY,
    IMAGE_API,
    IMAGE_WORKER,
    IMAGE_CHECKOUT,
    IMAGE_SEARCH,
    IMAGE_DB,
    IMAGE_THUMBNAILS,
    IMAGE_REPORT,
    IMAGE_LOG_AGENT,
];

/// A container with what all of them have.
pub(super) fn container(
    name: &str,
    image: &str,
    cpu: u64,
    memory: u64,
) -> Result<ContainerDefinition, IdError> {
    Ok(ContainerDefinition {
        environment: vec![KeyValue {
            name: "STAGE".to_owned(),
            value: "demo".to_owned(),
        }],
        cpu: CpuUnits(cpu),
        memory: Some(MemoryMib(memory)),
        stop_timeout: Some(10),
        ..ContainerDefinition::new(ContainerName::new(name)?, image)
    })
}

fn port(container_port: u16, host_port: Option<u16>) -> Vec<PortMapping> {
    vec![PortMapping {
        host_port,
        ..PortMapping::new(container_port)
    }]
}

fn check(path: &str) -> Option<HealthCheck> {
    Some(HealthCheck {
        command: vec![
            "CMD-SHELL".to_owned(),
            format!("wget -q -O /dev/null localhost{path}"),
        ],
        interval: Some(5),
        timeout: Some(2),
        retries: Some(3),
        start_period: None,
    })
}

pub(super) fn define(
    family: &str,
    container_definitions: Vec<ContainerDefinition>,
) -> Result<Command, IdError> {
    let family = Family::new(family)?;
    Ok(register(RegisterTaskDefinition::new(
        family,
        container_definitions,
    )))
}

fn register(definition: RegisterTaskDefinition) -> Command {
    Command::RegisterTaskDefinition(Box::new(definition))
}

/// A definition that is fit for FARGATE, of the smallest size that there is.
fn define_fargate(family: &str, container: ContainerDefinition) -> Result<Command, IdError> {
    Ok(register(RegisterTaskDefinition {
        cpu: Some(CpuUnits(256)),
        memory: Some(MemoryMib(512)),
        network_mode: NetworkMode::Awsvpc,
        requires_compatibilities: vec![LaunchType::Fargate],
        ..RegisterTaskDefinition::new(Family::new(family)?, vec![container])
    }))
}

pub(super) fn service(name: &str, desired_count: u32) -> Result<CreateService, IdError> {
    Ok(CreateService {
        desired_count,
        host_loss_grace_period_seconds: Some(GRACE_S),
        ..CreateService::new(ServiceName::new(name)?, name)
    })
}

pub(super) fn create(service: CreateService) -> Command {
    Command::CreateService(Box::new(service))
}

/// The definition of `web` with that image: the server, and a proxy before it.
///
/// # Errors
/// [`IdError`] if a built-in name is no name; a test holds that none is.
pub fn web_definition(image: &str) -> Result<Command, IdError> {
    let mut web = container("web", image, 256, 256)?;
    web.health_check = check(":80/healthz");
    let mut proxy = container("proxy", IMAGE_PROXY, 64, 64)?;
    proxy.port_mappings = port(8080, None);
    proxy.links = vec!["web".to_owned()];
    proxy.depends_on = vec![Dependency {
        container_name: web.name.clone(),
        condition: DependencyCondition::Start,
    }];
    define("web", vec![web, proxy])
}

fn variable(name: &str, value: &str) -> KeyValue {
    KeyValue {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// A revision of `api`: it migrates its database, then serves.
fn api_definition(image: &str, cpu: u64, pool: &str) -> Result<Command, IdError> {
    let mut migrate = container("migrate", image, 64, 128)?;
    migrate.essential = false;
    migrate
        .environment
        .push(variable("SIM_EXIT_AFTER_MS", "300"));
    let mut api = container("api", image, cpu, 512)?;
    api.environment.push(variable("DB_POOL", pool));
    api.port_mappings = port(8080, None);
    api.health_check = check(":8080/health");
    api.depends_on = vec![Dependency {
        container_name: migrate.name.clone(),
        condition: DependencyCondition::Success,
    }];
    define("api", vec![migrate, api])
}

/// `api` has a past: two revisions that it can be rolled back to.
fn api() -> Result<Vec<Command>, IdError> {
    let [first, second] = IMAGES_API_BEFORE;
    Ok(vec![
        api_definition(first, 256, "8")?,
        api_definition(second, 512, "8")?,
        api_definition(IMAGE_API, 512, "20")?,
        create(service("api", 6)?),
    ])
}

fn share(provider: &str, base: u32, weight: u32) -> Result<CapacityProviderStrategyItem, IdError> {
    Ok(CapacityProviderStrategyItem {
        capacity_provider: CapacityProviderName::new(provider)?,
        base,
        weight,
    })
}

/// Two tasks where nobody takes the instance away, and the others mostly where they are cheap.
fn worker() -> Result<Vec<Command>, IdError> {
    let mut service = service("worker", 8)?;
    service.capacity_provider_strategy =
        vec![share(PROVIDER_STEADY, 2, 1)?, share(PROVIDER_SPOT, 0, 2)?];
    service.placement_strategy = vec![
        PlacementStrategy {
            kind: PlacementStrategyKind::Spread,
            field: Some("attribute:ecs.availability-zone".to_owned()),
        },
        PlacementStrategy {
            kind: PlacementStrategyKind::Binpack,
            field: Some("memory".to_owned()),
        },
    ];
    service.deployment_configuration.minimum_healthy_percent = 50;
    service.deployment_configuration.maximum_percent = 150;
    let worker = container("worker", IMAGE_WORKER, 256, 384)?;
    Ok(vec![define("worker", vec![worker])?, create(service)])
}

fn checkout() -> Result<Vec<Command>, IdError> {
    let mut checkout = container("checkout", IMAGE_CHECKOUT, 512, 512)?;
    checkout.port_mappings = port(8443, Some(8443));
    checkout.health_check = check(":8443/ready");
    let mut service = service("checkout", 3)?;
    service.placement_constraints = vec![PlacementConstraint {
        kind: PlacementConstraintKind::DistinctInstance,
        expression: None,
    }];
    service.deployment_configuration.deployment_circuit_breaker = CircuitBreaker {
        enable: true,
        rollback: true,
    };
    let definition = RegisterTaskDefinition {
        task_role_arn: Some(ROLE_CHECKOUT.to_owned()),
        ..RegisterTaskDefinition::new(Family::new("checkout")?, vec![checkout])
    };
    Ok(vec![register(definition), create(service)])
}

fn search_definition(image: &str, cpu: u64, ranking: &str) -> Result<Command, IdError> {
    let mut search = container("search", image, cpu, 1536)?;
    search.environment.push(variable("RANKING", ranking));
    search.memory_reservation = Some(MemoryMib(1024));
    search.port_mappings = port(9200, None);
    define("search", vec![search])
}

fn search() -> Result<Vec<Command>, IdError> {
    Ok(vec![
        search_definition(IMAGE_SEARCH, 512, "plain")?,
        create(service("search", 4)?),
        // Registered and run by nothing yet: u on the service offers it.
        search_definition(IMAGE_SEARCH_NEXT, 384, "bm25")?,
    ])
}

fn orders_db() -> Result<Vec<Command>, IdError> {
    let mut db = container("postgres", IMAGE_DB, 1024, 4096)?;
    db.port_mappings = port(5432, Some(5432));
    db.health_check = check(":5432");
    let mut service = service("orders-db", 1)?;
    service.placement_constraints = vec![
        PlacementConstraint {
            kind: PlacementConstraintKind::DistinctInstance,
            expression: None,
        },
        PlacementConstraint {
            kind: PlacementConstraintKind::MemberOf,
            expression: Some("attribute:disk == ssd".to_owned()),
        },
    ];
    service.deployment_configuration.minimum_healthy_percent = 0;
    service.deployment_configuration.maximum_percent = 100;
    Ok(vec![define("orders-db", vec![db])?, create(service)])
}

fn mailer() -> Result<Vec<Command>, IdError> {
    let mailer = container("mailer", IMAGE_MAILER, 128, 256)?;
    let mut service = service("mailer", 2)?;
    service.launch_type = Some(LaunchType::Fargate);
    Ok(vec![define_fargate("mailer", mailer)?, create(service)])
}

fn log_agent() -> Result<Vec<Command>, IdError> {
    let agent = container("log-agent", IMAGE_LOG_AGENT, 64, 64)?;
    let mut service = service("log-agent", 0)?;
    service.scheduling_strategy = SchedulingStrategy::Daemon;
    service.deployment_configuration.minimum_healthy_percent = 0;
    service.deployment_configuration.maximum_percent = 100;
    Ok(vec![define("log-agent", vec![agent])?, create(service)])
}

/// A container that does its work for so long, and ends well.
fn job(name: &str, image: &str, seconds: u32) -> Result<ContainerDefinition, IdError> {
    let mut job = container(name, image, 128, 256)?;
    job.environment.push(KeyValue {
        name: "SIM_EXIT_AFTER_MS".to_owned(),
        value: (seconds * 1000).to_string(),
    });
    Ok(job)
}

/// What runs by the clock: thumbnails every five minutes, and a report in the night.
fn schedules() -> Result<Vec<Command>, IdError> {
    let thumbnails = PutSchedule::new(
        ScheduleName::new("thumbnails")?,
        "rate(5 minutes)",
        "thumbnails",
    );
    let report = PutSchedule {
        schedule_expression_timezone: Some("Europe/Berlin".to_owned()),
        launch_type: Some(LaunchType::Fargate),
        ..PutSchedule::new(ScheduleName::new("report")?, "cron(0 3 * * ? *)", "report")
    };
    Ok(vec![
        define("thumbnails", vec![job("thumbnails", IMAGE_THUMBNAILS, 20)?])?,
        define_fargate("report", job("report", IMAGE_REPORT, 60)?)?,
        Command::PutSchedule(Box::new(thumbnails)),
        Command::PutSchedule(Box::new(report)),
    ])
}

/// All that makes the demo's shop, in order.
///
/// # Errors
/// [`IdError`] if a built-in name is no name; a test holds that none is.
pub fn commands() -> Result<Vec<Command>, IdError> {
    let mut all = vec![web_definition(IMAGE_WEB)?, create(service("web", 9)?)];
    for more in [api()?, worker()?, checkout()?, search()?, orders_db()?] {
        all.extend(more);
    }
    for more in [mailer()?, log_agent()?, schedules()?] {
        all.extend(more);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::validate;

    #[test]
    fn what_the_demo_asks_for_is_well_formed() {
        let commands = commands().unwrap();
        let mut services = 0;
        for command in &commands {
            if let Command::CreateService(create) = command {
                services += 1;
                let faults =
                    validate::bounds(&create.deployment_configuration, create.desired_count);
                assert!(faults.is_empty(), "{faults:?}");
            }
        }
        assert_eq!((services, commands.len()), (8, 23));
    }
}
