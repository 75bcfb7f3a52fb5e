# Docker in a test: DIR is its folder, NAME its cgroup.
export DOCKER_HOST=unix://$DIR/socket

engine() { docker "$@"; }

answers() { docker version; }

serve() {
    exec dockerd --data-root $DIR/data --exec-root $DIR/exec --host $DOCKER_HOST --pidfile $DIR/pid \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent /$NAME
}

stop_to_start_again() {
    touch $DIR/again
    daemon=$(cat $DIR/pid)
    kill $daemon
    while kill -0 $daemon; do sleep 0.05; done
}

empty() { docker ps --all --quiet | xargs --no-run-if-empty docker rm --force; }
