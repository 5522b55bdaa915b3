//! The rules of container parameters, one test for each group.

use super::tests::{container, faults, one, only, two};
use super::{Elsewhere, elsewhere};
use serde_json::{Value, json};

#[track_caller]
fn right(found: &[String]) {
    assert_eq!(found, Vec::<String>::new());
}

fn linux(parameters: Value) -> Vec<String> {
    one(json!({"linuxParameters": parameters}))
}

fn task(members: Value, more: Value) -> Vec<String> {
    let mut body = json!({"containerDefinitions": [container("a", more)]});
    for (member, value) in members.as_object().unwrap() {
        body[member] = value.clone();
    }
    faults(body)
}

#[test]
fn capabilities_have_ecs_names() {
    right(&linux(
        json!({"capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}}),
    ));
    only(
        &linux(json!({"capabilities": {"add": ["CAP_NET_ADMIN"]}})),
        "linuxParameters.capabilities.add[0]: \"CAP_NET_ADMIN\" is not a capability; did you mean \
         NET_ADMIN?",
    );
    only(
        &linux(json!({"capabilities": {"drop": ["KILL", "xyz"]}})),
        "capabilities.drop[1]",
    );
}

#[test]
fn devices_have_paths_of_their_own_and_known_permissions() {
    let device = |inside: &str, permissions: Value| json!({"hostPath": "/dev/a", "containerPath": inside, "permissions": permissions});
    let all = device("/dev/b", json!(["read", "write", "mknod"]));
    right(&linux(json!({"devices": [all, {"hostPath": "/dev/b2"}]})));
    only(
        &linux(json!({"devices": [{"hostPath": "dev/a"}]})),
        "devices[0].hostPath: \"dev/a\" is not an absolute path",
    );
    only(
        &linux(json!({"devices": [device("/dev/b", json!([])), device("/dev/b", json!([]))]})),
        "devices[1].containerPath: /dev/b is another device",
    );
    only(
        &linux(json!({"devices": [device("/dev/b", json!(["rw"]))]})),
        "\"rw\" is not a permission; expected read, write or mknod",
    );
}

#[test]
fn folders_in_memory_have_a_place_a_size_and_known_options() {
    let folder = |path: &str, size: u32, option: &str| {
        linux(json!({"tmpfs": [
            {"containerPath": path, "size": size, "mountOptions": [option]}]}))
    };
    right(&folder("/run", 1, "noexec"));
    right(&folder("/run", 1, "mode=1777"));
    only(
        &folder("run", 1, "ro"),
        "tmpfs[0].containerPath: \"run\" is not",
    );
    only(&folder("/run", 0, "ro"), "tmpfs[0].size");
    only(
        &folder("/run", 1, "mode"),
        "\"mode\" is not an option of tmpfs",
    );
    only(&folder("/run", 1, "noexce"), "\"noexce\" is not an option");
    let twice = json!({"containerPath": "/run", "size": 1});
    only(
        &linux(json!({"tmpfs": [twice, twice]})),
        "tmpfs[1].containerPath: /run is mounted twice",
    );
    let found = task(
        json!({"volumes": [{"name": "v"}]}),
        json!({"mountPoints": [{"sourceVolume": "v", "containerPath": "/run"}],
               "linuxParameters": {"tmpfs": [twice]}}),
    );
    only(&found, "/run is mounted twice");
}

#[test]
fn swap_needs_a_limit_of_memory_and_eagerness_is_a_percentage() {
    right(&linux(json!({"maxSwap": 0, "swappiness": 0})));
    right(&linux(json!({"maxSwap": 64, "swappiness": 100})));
    only(
        &linux(json!({"swappiness": 101})),
        "101 is out of range; 0 to 100",
    );
    only(&linux(json!({"sharedMemorySize": 0})), "sharedMemorySize");
    let soft = json!({"containerDefinitions": [{"name": "a", "image": "i",
        "memoryReservation": 64, "linuxParameters": {"maxSwap": 1}}]});
    only(
        &faults(soft),
        "maxSwap: swap comes on top of a limit of memory",
    );
}

#[test]
fn kernel_settings_are_the_containers_own() {
    let control = |members: Value, name: &str| {
        task(
            members,
            json!({"systemControls": [{"namespace": name, "value": "1"}]}),
        )
    };
    right(&control(json!({}), "net.core.somaxconn"));
    right(&control(json!({"networkMode": "host"}), "kernel.shmmax"));
    right(&control(json!({"ipcMode": "host"}), "net.core.somaxconn"));
    only(&control(json!({}), "vm.swappiness"), "is the whole host's");
    only(
        &control(json!({"networkMode": "host"}), "net.core.somaxconn"),
        "would be the host's own in networkMode host",
    );
    only(
        &control(json!({"ipcMode": "host"}), "fs.mqueue.msg_max"),
        "would be the host's own with ipcMode host",
    );
    let twice = json!({"namespace": "net.a", "value": "1"});
    only(
        &one(json!({"systemControls": [twice, twice]})),
        "net.a is given twice",
    );
    only(
        &one(json!({"systemControls": [{"namespace": "net.a", "value": ""}]})),
        "systemControls[0].value",
    );
}

#[test]
fn security_options_are_those_an_engine_has() {
    let option = |text: &str| one(json!({"dockerSecurityOptions": [text]}));
    for known in [
        "no-new-privileges",
        "no-new-privileges:true",
        "apparmor:docker-default",
        "label:user:USER",
        "label=disable",
        "seccomp:unconfined",
        "seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
    ] {
        right(&option(known));
    }
    only(
        &option("seccomp:/etc/profile.json"),
        "does not read the file",
    );
    only(&option("credentialspec:file://x"), "Active Directory");
    only(&option("apparmor"), "is not a security option");
    only(&option("apparmour:x"), "is not a security option");
}

#[test]
fn resources_are_whole_numbers_of_what_an_engine_can_have() {
    let required = |kind: &str, value: &str| {
        one(json!({"resourceRequirements": [{"type": kind, "value": value}]}))
    };
    right(&required("GPU", "1"));
    right(&required("license", "3"));
    for wrong in ["0", "ALL", "1.5", "-1", ""] {
        only(&required("GPU", wrong), "is not a whole number above 0");
    }
    only(
        &required("NeuronDevice", "ALL"),
        "NeuronDevice is AWS's own hardware",
    );
    let gpu = json!({"type": "GPU", "value": "1"});
    only(
        &one(json!({"resourceRequirements": [gpu, gpu]})),
        "GPU is required twice",
    );
}

#[test]
fn names_and_addresses_are_what_they_say() {
    right(&one(json!({
        "hostname": "box-1.example", "dnsServers": ["10.0.0.2", "fd00::1"],
        "dnsSearchDomains": ["corp.example", "."],
        "extraHosts": [{"hostname": "db", "ipAddress": "10.0.0.3"},
                       {"hostname": "host", "ipAddress": "host-gateway"}]})));
    only(&one(json!({"hostname": "a_b"})), "cannot name a host");
    only(&one(json!({"hostname": "a".repeat(65)})), "1 to 64 letters");
    only(
        &one(json!({"dnsServers": ["dns.example"]})),
        "dnsServers[0]: \"dns.example\" is not an IP address",
    );
    only(
        &one(json!({"dnsSearchDomains": ["a b"]})),
        "is not a domain",
    );
    only(
        &one(json!({"extraHosts": [{"hostname": "db", "ipAddress": "db"}]})),
        "extraHosts[0].ipAddress",
    );
    only(
        &one(json!({"extraHosts": [{"hostname": "a:b", "ipAddress": "::1"}]})),
        "extraHosts[0].hostname",
    );
}

#[test]
fn a_network_that_is_shared_has_no_names_for_one_container() {
    let awsvpc = |more: Value| task(json!({"networkMode": "awsvpc"}), more);
    only(
        &awsvpc(json!({"hostname": "x"})),
        "hostname does not work in networkMode awsvpc",
    );
    only(
        &awsvpc(json!({"extraHosts": [{"hostname": "db", "ipAddress": "::1"}]})),
        "extraHosts does not work in networkMode awsvpc",
    );
    right(&awsvpc(json!({"dnsServers": ["::1"]})));
    only(
        &awsvpc(json!({"portMappings": [{"containerPort": 80, "hostPort": 81}]})),
        "in networkMode awsvpc the host's port is the container's, 80",
    );
    let port = json!({"portMappings": [{"containerPort": 80}]});
    only(
        &faults(json!({"networkMode": "awsvpc", "containerDefinitions":
            [container("a", port.clone()), container("b", port)]})),
        "the containers share one network, and port 80/tcp is container a's",
    );
}

#[test]
fn a_range_of_ports_is_the_engines_to_place() {
    let range = |text: &str| one(json!({"portMappings": [{"containerPortRange": text}]}));
    right(&range("8000-8010"));
    for wrong in ["8000", "8010-8000", "8000-8000", "0-5", "a-b", "1-70000"] {
        only(&range(wrong), "is not a range; expected such as 8000-8010");
    }
    only(&range("1-2000"), "2000 ports are too many");
    only(
        &one(json!({"portMappings": [{"containerPortRange": "1-2", "hostPort": 5}]})),
        "hostPort: the ports of a range get host ports that the engine finds",
    );
    only(
        &one(json!({"portMappings": [{"containerPortRange": "1-2", "containerPort": 5}]})),
        "not both",
    );
    only(
        &one(json!({"portMappings": [{"containerPortRange": "80-90"}, {"containerPort": 85}]})),
        "portMappings[1].containerPort: 85/tcp is mapped twice",
    );
    right(&one(json!({"portMappings":
        [{"containerPortRange": "80-90"}, {"containerPort": 85, "protocol": "udp"}]})));
    let host = json!({"portMappings": [{"containerPortRange": "80-90"}]});
    only(
        &task(json!({"networkMode": "host"}), host),
        "needs networkMode bridge or awsvpc",
    );
    let many: Vec<Value> = (0..101)
        .map(|n| json!({"containerPortRange": format!("{}-{}", n * 2 + 1, n * 2 + 2)}))
        .collect();
    only(
        &one(json!({"portMappings": many})),
        "101 port ranges are too many; 100",
    );
}

#[test]
fn a_port_is_mapped_once_in_the_same_way_and_named_in_lower_case() {
    let port = |host: u16| json!({"containerPort": 80, "hostPort": host});
    only(
        &one(json!({"portMappings": [port(0), port(0)]})),
        "80/tcp is mapped twice",
    );
    right(&one(json!({"portMappings": [port(8080), port(8081)]})));
    let named = |name: &str| one(json!({"portMappings": [{"containerPort": 80, "name": name}]}));
    right(&named("http-1"));
    only(&named("HTTP"), "cannot name a port");
    only(&named("-http"), "cannot name a port");
    only(
        &one(json!({"disableNetworking": true, "portMappings": [{"containerPort": 80}]})),
        "a container without network has neither portMappings nor links",
    );
}

#[test]
fn volumes_come_from_another_container_of_the_task() {
    let from = |name: &str| json!({"volumesFrom": [{"sourceContainer": name}]});
    right(&two(from("b"), json!({})));
    only(
        &one(from("z")),
        "volumesFrom[0].sourceContainer: there is no container z",
    );
    only(&one(from("a")), "has its own volumes already");
    only(&two(from("b"), from("a")), "a → b → a");
}

#[test]
fn health_is_not_checked_with_none_so_nothing_waits_for_it() {
    let none = json!({"healthCheck": {"command": ["NONE"]}});
    right(&one(none.clone()));
    let waits = json!({"dependsOn": [{"containerName": "b", "condition": "HEALTHY"}]});
    only(&two(waits, none), "never becomes HEALTHY");
}

#[test]
fn platforms_are_linux_on_either_architecture() {
    let platform = |said: Value| task(json!({"runtimePlatform": said}), json!({}));
    right(&platform(
        json!({"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}),
    ));
    only(
        &platform(json!({"cpuArchitecture": "arm64"})),
        "runtimePlatform.cpuArchitecture: \"arm64\" is not an architecture",
    );
    only(
        &platform(json!({"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"})),
        "only LINUX containers are run",
    );
}

#[test]
fn sizes_waits_images_and_mounts_stay_within_bounds() {
    only(
        &task(json!({"cpu": 127}), json!({})),
        "128 to 196608 CPU units, not 127",
    );
    only(
        &one(json!({"stopTimeout": 86401})),
        "stopTimeout: 86401 s is longer than a day",
    );
    only(&one(json!({"image": "a".repeat(256)})), "255 characters");
    let digest = |digest: &str| one(json!({"image": format!("web@{digest}")}));
    right(&digest(&format!("sha256:{}", "0f".repeat(32))));
    only(&digest("sha256:0f"), "is not a digest");
    only(
        &one(json!({"ulimits": [{"name": "core", "softLimit": -2, "hardLimit": 0}]})),
        "softLimit: -2 is no limit",
    );
    only(
        &task(
            json!({"volumes": [{"name": "v"}]}),
            json!({"mountPoints": [{"sourceVolume": "v", "containerPath": "/"}]}),
        ),
        "over a container's whole file system",
    );
}

#[test]
fn what_only_aws_has_is_refused_where_running_without_it_would_be_wrong() {
    let kept = |more: Value| one(json!({"unsupported": more}));
    only(
        &kept(json!({"firelensConfiguration": {"type": "fluentbit"}})),
        "containerDefinitions[0].firelensConfiguration: firelensConfiguration is AWS FireLens",
    );
    only(
        &kept(json!({"credentialSpecs": ["credentialspec:x"]})),
        "Active Directory",
    );
    right(&kept(json!({"credentialSpecs": []})));
    only(
        &kept(json!({"logConfiguration.secretOptions": [{"name": "a", "valueFrom": "b"}]})),
        "logConfiguration.secretOptions: secretOptions of log drivers",
    );
    right(&kept(
        json!({"repositoryCredentials": {"credentialsParameter": "x"}}),
    ));
    only(
        &one(json!({"logConfiguration": {"logDriver": "awsfirelens"}})),
        "awsfirelens is not a log driver",
    );
    right(&one(json!({"logConfiguration": {"logDriver": "awslogs"}})));
    let of_task = |more: Value| task(json!({"unsupported": more}), json!({}));
    only(
        &of_task(json!({"proxyConfiguration": {"containerName": "a"}})),
        "App Mesh",
    );
    only(
        &of_task(json!({"inferenceAccelerators": [{}]})),
        "own hardware",
    );
    right(&of_task(
        json!({"ephemeralStorage": {"sizeInGiB": 50}, "enableFaultInjection": true}),
    ));
    assert_eq!(elsewhere("enableExecuteCommand"), Some(Elsewhere::Silent));
    assert_eq!(elsewhere("taskRoleArn"), None);
}

#[test]
fn a_volume_that_only_aws_has_is_refused_once_a_container_mounts_it() {
    let volume = |member: &str, value: Value, mounted: bool| {
        let mounts = match mounted {
            true => json!([{"sourceVolume": "v", "containerPath": "/v"}]),
            false => json!([]),
        };
        task(
            json!({"volumes": [{"name": "v", "unsupported": {member: value}}]}),
            json!({"mountPoints": mounts}),
        )
    };
    for member in [
        "efsVolumeConfiguration",
        "s3filesVolumeConfiguration",
        "fsxWindowsFileServerVolumeConfiguration",
    ] {
        let found = volume(member, json!({"fileSystemId": "fs-1"}), true);
        only(
            &found,
            &format!("volumes[0].{member}: volume v is an Amazon"),
        );
        right(&volume(member, json!({"fileSystemId": "fs-1"}), false));
    }
    only(
        &volume("configuredAtLaunch", json!(true), true),
        "EBS volume",
    );
    right(&volume("configuredAtLaunch", json!(false), true));
}
