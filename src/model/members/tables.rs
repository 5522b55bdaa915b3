//! The tables of members, as facts from ECS's published service model.

use super::Holds::{self, Many, One, Plain};
use super::Shape;

impl Shape {
    /// The tables, as facts from ECS's published service model; the members under
    /// `hostLossGracePeriodSeconds` are ours.
    #[allow(clippy::too_many_lines)]
    pub(super) fn table(self) -> (&'static [(&'static str, Holds)], &'static str, bool) {
        match self {
            Self::RegisterTaskDefinition => (
                &[
                    ("family", Plain),
                    ("containerDefinitions", Many(Self::ContainerDefinition)),
                    ("volumes", Many(Self::Volume)),
                    ("networkMode", Plain),
                    ("cpu", Plain),
                    ("memory", Plain),
                    ("placementConstraints", Many(Self::PlacementConstraint)),
                    ("pidMode", Plain),
                    ("ipcMode", Plain),
                    ("runtimePlatform", One(Self::RuntimePlatform)),
                    ("tags", Many(Self::Tag)),
                    ("taskRoleArn", Plain),
                    ("requiresCompatibilities", Plain),
                ],
                "executionRoleArn \
                 proxyConfiguration inferenceAccelerators ephemeralStorage \
                 enableFaultInjection trustedExecutionConfiguration",
                true,
            ),
            Self::ContainerDefinition => (
                &[
                    ("name", Plain),
                    ("image", Plain),
                    ("command", Plain),
                    ("entryPoint", Plain),
                    ("environment", Many(Self::KeyValue)),
                    ("cpu", Plain),
                    ("memory", Plain),
                    ("memoryReservation", Plain),
                    ("portMappings", Many(Self::PortMapping)),
                    ("essential", Plain),
                    ("healthCheck", One(Self::HealthCheck)),
                    ("links", Plain),
                    ("dependsOn", Many(Self::Dependency)),
                    ("startTimeout", Plain),
                    ("stopTimeout", Plain),
                    ("restartPolicy", One(Self::RestartPolicy)),
                    ("user", Plain),
                    ("workingDirectory", Plain),
                    ("mountPoints", Many(Self::MountPoint)),
                    ("ulimits", Many(Self::Ulimit)),
                    ("dockerLabels", Plain),
                    ("logConfiguration", One(Self::LogConfiguration)),
                    ("linuxParameters", One(Self::LinuxParameters)),
                    ("privileged", Plain),
                    ("readonlyRootFilesystem", Plain),
                    ("dnsServers", Plain),
                    ("dnsSearchDomains", Plain),
                    ("extraHosts", Many(Self::HostEntry)),
                    ("hostname", Plain),
                    ("dockerSecurityOptions", Plain),
                    ("interactive", Plain),
                    ("pseudoTerminal", Plain),
                    ("systemControls", Many(Self::SystemControl)),
                    ("volumesFrom", Many(Self::VolumeFrom)),
                    ("resourceRequirements", Many(Self::ResourceRequirement)),
                    ("disableNetworking", Plain),
                    ("secrets", Many(Self::Secret)),
                    ("environmentFiles", Many(Self::EnvironmentFile)),
                    ("versionConsistency", Plain),
                ],
                "repositoryCredentials firelensConfiguration credentialSpecs",
                true,
            ),
            Self::Volume => (
                &[
                    ("name", Plain),
                    ("host", One(Self::HostVolume)),
                    ("dockerVolumeConfiguration", One(Self::DockerVolume)),
                ],
                "efsVolumeConfiguration s3filesVolumeConfiguration \
                 fsxWindowsFileServerVolumeConfiguration configuredAtLaunch",
                true,
            ),
            Self::CreateService => (
                &[
                    ("serviceName", Plain),
                    ("schedulingStrategy", Plain),
                    ("launchType", Plain),
                    ("clientToken", Plain),
                    ("tags", Many(Self::Tag)),
                ],
                "role",
                true,
            ),
            Self::UpdateService => (
                &[("service", Plain), ("forceNewDeployment", Plain)],
                "",
                true,
            ),
            Self::RunTask => (
                &[
                    ("cluster", Plain),
                    ("taskDefinition", Plain),
                    ("count", Plain),
                    ("group", Plain),
                    ("startedBy", Plain),
                    ("placementConstraints", Many(Self::PlacementConstraint)),
                    ("placementStrategy", Many(Self::PlacementStrategy)),
                    ("launchType", Plain),
                    (
                        "capacityProviderStrategy",
                        Many(Self::CapacityProviderStrategyItem),
                    ),
                    ("clientToken", Plain),
                    ("overrides", One(Self::TaskOverride)),
                    ("tags", Many(Self::Tag)),
                    ("propagateTags", Plain),
                ],
                "enableECSManagedTags enableExecuteCommand \
                 networkConfiguration platformVersion referenceId \
                 volumeConfigurations",
                true,
            ),
            Self::CreateCluster => (
                &[("clusterName", Plain), ("tags", Many(Self::Tag))],
                "settings configuration capacityProviders \
                 defaultCapacityProviderStrategy serviceConnectDefaults",
                true,
            ),
            _ => (self.small_table(), self.small_kept(), false),
        }
    }

    /// The members that a shape has with others: those acted on, and those that are kept.
    pub(super) fn shared(self) -> (&'static [(&'static str, Holds)], &'static str) {
        match self {
            Self::CreateService | Self::UpdateService => (
                &[
                    ("cluster", Plain),
                    ("taskDefinition", Plain),
                    ("desiredCount", Plain),
                    (
                        "deploymentConfiguration",
                        One(Self::DeploymentConfiguration),
                    ),
                    ("placementConstraints", Many(Self::PlacementConstraint)),
                    ("placementStrategy", Many(Self::PlacementStrategy)),
                    ("hostLossGracePeriodSeconds", Plain),
                    ("healthCheckGracePeriodSeconds", Plain),
                    (
                        "capacityProviderStrategy",
                        Many(Self::CapacityProviderStrategyItem),
                    ),
                    ("availabilityZoneRebalancing", Plain),
                    ("propagateTags", Plain),
                ],
                "loadBalancers serviceRegistries \
                 platformVersion networkConfiguration deploymentController \
                 enableECSManagedTags enableExecuteCommand \
                 serviceConnectConfiguration volumeConfigurations vpcLatticeConfigurations \
                 gatewayConnectors monitoring",
            ),
            _ => (&[], ""),
        }
    }

    /// The acted-on members of the shapes that keep nothing themselves.
    pub(super) fn small_table(self) -> &'static [(&'static str, Holds)] {
        match self {
            Self::DeregisterTaskDefinition => &[("taskDefinition", Plain)],
            Self::DeleteService => &[("cluster", Plain), ("service", Plain), ("force", Plain)],
            Self::StopTask => &[("cluster", Plain), ("task", Plain), ("reason", Plain)],
            Self::UpdateTaskProtection => &[
                ("cluster", Plain),
                ("tasks", Plain),
                ("protectionEnabled", Plain),
                ("expiresInMinutes", Plain),
            ],
            Self::UpdateContainerInstancesState => &[
                ("cluster", Plain),
                ("containerInstances", Plain),
                ("status", Plain),
            ],
            Self::DeleteCluster => &[("cluster", Plain)],
            Self::HostVolume => &[("sourcePath", Plain)],
            Self::DockerVolume => &[
                ("scope", Plain),
                ("autoprovision", Plain),
                ("driver", Plain),
                ("driverOpts", Plain),
                ("labels", Plain),
            ],
            Self::KeyValue => &[("name", Plain), ("value", Plain)],
            Self::Secret => &[("name", Plain), ("valueFrom", Plain)],
            Self::EnvironmentFile => &[("value", Plain), ("type", Plain)],
            Self::PortMapping => &[
                ("containerPort", Plain),
                ("containerPortRange", Plain),
                ("hostPort", Plain),
                ("protocol", Plain),
                ("name", Plain),
            ],
            Self::HealthCheck => &[
                ("command", Plain),
                ("interval", Plain),
                ("timeout", Plain),
                ("retries", Plain),
                ("startPeriod", Plain),
            ],
            Self::Dependency => &[("containerName", Plain), ("condition", Plain)],
            Self::RestartPolicy => &[
                ("enabled", Plain),
                ("ignoredExitCodes", Plain),
                ("restartAttemptPeriod", Plain),
            ],
            Self::MountPoint => &[
                ("sourceVolume", Plain),
                ("containerPath", Plain),
                ("readOnly", Plain),
            ],
            Self::Ulimit => &[("name", Plain), ("softLimit", Plain), ("hardLimit", Plain)],
            Self::LogConfiguration => &[("logDriver", Plain), ("options", Plain)],
            Self::LinuxParameters => &[
                ("capabilities", One(Self::KernelCapabilities)),
                ("devices", Many(Self::Device)),
                ("initProcessEnabled", Plain),
                ("sharedMemorySize", Plain),
                ("tmpfs", Many(Self::Tmpfs)),
                ("maxSwap", Plain),
                ("swappiness", Plain),
            ],
            Self::KernelCapabilities => &[("add", Plain), ("drop", Plain)],
            Self::Device => &[
                ("hostPath", Plain),
                ("containerPath", Plain),
                ("permissions", Plain),
            ],
            Self::Tmpfs => &[
                ("containerPath", Plain),
                ("size", Plain),
                ("mountOptions", Plain),
            ],
            Self::HostEntry => &[("hostname", Plain), ("ipAddress", Plain)],
            Self::SystemControl => &[("namespace", Plain), ("value", Plain)],
            Self::VolumeFrom => &[("sourceContainer", Plain), ("readOnly", Plain)],
            Self::ResourceRequirement => &[("type", Plain), ("value", Plain)],
            Self::RuntimePlatform => {
                &[("cpuArchitecture", Plain), ("operatingSystemFamily", Plain)]
            }
            Self::PlacementConstraint => &[("type", Plain), ("expression", Plain)],
            Self::CapacityProviderStrategyItem => &[
                ("capacityProvider", Plain),
                ("base", Plain),
                ("weight", Plain),
            ],
            Self::PlacementStrategy => &[("type", Plain), ("field", Plain)],
            Self::DeploymentConfiguration => &[
                ("minimumHealthyPercent", Plain),
                ("maximumPercent", Plain),
                ("deploymentCircuitBreaker", One(Self::CircuitBreaker)),
            ],
            Self::CircuitBreaker => &[("enable", Plain), ("rollback", Plain)],
            Self::Tag => &[("key", Plain), ("value", Plain)],
            Self::TaskOverride => &[
                ("containerOverrides", Many(Self::ContainerOverride)),
                ("cpu", Plain),
                ("memory", Plain),
                ("taskRoleArn", Plain),
            ],
            Self::ContainerOverride => &[
                ("name", Plain),
                ("command", Plain),
                ("environment", Many(Self::KeyValue)),
                ("environmentFiles", Plain),
                ("cpu", Plain),
                ("memory", Plain),
                ("memoryReservation", Plain),
                ("resourceRequirements", Many(Self::ResourceRequirement)),
            ],
            Self::TagResource => &[("resourceArn", Plain), ("tags", Many(Self::Tag))],
            Self::UntagResource => &[("resourceArn", Plain), ("tagKeys", Plain)],
            Self::PutSchedule => &[
                ("name", Plain),
                ("cluster", Plain),
                ("scheduleExpression", Plain),
                ("scheduleExpressionTimezone", Plain),
                ("taskDefinition", Plain),
                ("taskCount", Plain),
                ("enabled", Plain),
                ("overlap", Plain),
                ("placementConstraints", Many(Self::PlacementConstraint)),
                ("placementStrategy", Many(Self::PlacementStrategy)),
                ("launchType", Plain),
                (
                    "capacityProviderStrategy",
                    Many(Self::CapacityProviderStrategyItem),
                ),
                ("overrides", One(Self::TaskOverride)),
                ("tags", Many(Self::Tag)),
            ],
            Self::NamedSchedule => &[("name", Plain), ("cluster", Plain)],
            Self::RebalanceService => &[("cluster", Plain), ("service", Plain)],
            _ => &[],
        }
    }

    pub(super) fn small_kept(self) -> &'static str {
        match self {
            Self::PortMapping => "appProtocol",
            Self::ResourceRequirement => "sharingStrategy",
            Self::LogConfiguration => "secretOptions",
            Self::DeploymentConfiguration => {
                "alarms strategy bakeTimeInMinutes lifecycleHooks linearConfiguration \
                 canaryConfiguration earlySuccessCriteria"
            }
            Self::TaskOverride => "inferenceAcceleratorOverrides executionRoleArn ephemeralStorage",
            Self::CircuitBreaker => "resetOnHealthyTask thresholdConfiguration",
            _ => "",
        }
    }
}
