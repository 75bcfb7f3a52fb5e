# Podman in a test: DIR is its folder, NAME its cgroup. Limits are given since those it takes for itself
# may be above what the machine allows.
export CONTAINERS_CONF=$DIR/containers.conf CONTAINERS_STORAGE_CONF=$DIR/storage.conf

podman() {
    verb=$1
    shift
    case $verb in
    run | create) command podman $verb --cgroup-parent /$NAME "$@" ;;
    *) command podman $verb "$@" ;;
    esac
}

engine() { podman "$@"; }

answers() { CONTAINER_HOST=unix://$DIR/socket command podman --remote version; }

serve() {
    cat >$CONTAINERS_CONF <<CONF
[containers]
default_ulimits = ["nofile=1024:2048", "nproc=1000:2000"]
log_driver = "k8s-file"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
tmp_dir = "$DIR/tmp"

[network]
network_config_dir = "$DIR/networks"
CONF
    test -z "$PLUGINS" || cat >>$CONTAINERS_CONF <<CONF
network_backend = "cni"
cni_plugin_dirs = ["$PLUGINS"]
CONF
    cat >$CONTAINERS_STORAGE_CONF <<CONF
[storage]
driver = "overlay"
graphroot = "$DIR/data"
runroot = "$DIR/run"
CONF
    exec podman system service --time=0 unix://$DIR/socket
}

empty() { podman rm --all --force --time 0; }
