# Docker in a test: DIR is its folder, NAME its cgroup.
export DOCKER_HOST=unix://$DIR/socket

engine() { docker "$@"; }

answers() { docker version; }

serve() {
    exec dockerd --data-root $DIR/data --exec-root $DIR/exec --host $DOCKER_HOST --pidfile $DIR/pid \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent /$NAME
}

empty() { docker ps --all --quiet | xargs --no-run-if-empty docker rm --force; }
