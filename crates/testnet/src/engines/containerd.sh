# containerd with CRI in a test: DIR is its folder, NAME its cgroup, PLUGINS its CNI plugins, CONF their configuration.
engine() {
    case $1 in
    import) archive "$3" && command ctr --address $DIR/socket --namespace k8s.io images import $DIR/image.tar ;;
    *) command ctr --address $DIR/socket --namespace k8s.io "$@" ;;
    esac
}

ctr() { engine "$@"; }

# An image as docker saves it, of the one layer on standard input. Its command keeps a sandbox alive.
archive() {
    cat >$DIR/layer.tar
    sum=$(sha256sum $DIR/layer.tar | cut -d' ' -f1)
    cat >$DIR/config.json <<CONF
{"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sleep", "3600"], "Env": ["PATH=/bin"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$sum"]}}
CONF
    echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"$1:latest\"], \"Layers\": [\"layer.tar\"]}]" >$DIR/manifest.json
    tar --create --directory $DIR --file $DIR/image.tar manifest.json config.json layer.tar
}

answers() { engine version && test "$(engine plugins ls | grep -c ' cri .*ok')" = 1; }

# `ctr run --cni` looks at these places alone.
places() {
    mount -t tmpfs tmpfs /opt && mkdir -p /opt/cni /etc/cni && mount -t tmpfs tmpfs /etc/cni
    ln -s $PLUGINS /opt/cni/bin && mkdir /etc/cni/net.d
    printf '%s' "$CONF" >/etc/cni/net.d/10-test.conflist
}

serve() {
    test -e /opt/cni || places
    cat >$DIR/config.toml <<CONF
version = 2
root = "$DIR/data"
state = "$DIR/state"

[grpc]
address = "$DIR/socket"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "$IMAGE:latest"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
CONF
    exec sh -c "echo \$\$ >$DIR/pid; exec containerd --config $DIR/config.toml"
}

stop_to_start_again() {
    touch $DIR/again
    daemon=$(cat $DIR/pid)
    kill $daemon
    while kill -0 $daemon; do sleep 0.05; done
}

empty() {
    for one in $(engine tasks ls --quiet); do engine tasks rm --force $one; done
    for one in $(engine containers ls --quiet); do engine containers rm $one; done
    # A shim that is left is one whose task is.
    for one in $(grep --files-with-matches --null-data "^$DIR/socket" /proc/[0-9]*/cmdline 2>/dev/null); do
        kill -9 $(echo $one | cut -d/ -f3)
    done
}
