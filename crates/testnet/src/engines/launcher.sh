# Serves the engine whose functions stand above this, until told to end or until its parent does.
# It sees a /run and a /var/lib of its own, and the machine's cgroups, which the test's own /sys hides.

mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /run && mkdir /run/netns /run/lock || exit
until test -e /sys/fs/cgroup/cgroup.procs -o -d /sys/fs/cgroup/memory; do umount /sys || exit; done

over() {
    trap '' TERM
    empty >/dev/null 2>&1
    kill $engine 2>/dev/null
    wait $engine
    awk -v dir=$DIR/ 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | sort -r |
        xargs --no-run-if-empty umount --lazy
    find /sys/fs/cgroup -depth -type d -path "*/$NAME*" -exec rmdir {} \;
    rm -rf $DIR
    exit
}

trap over TERM
serve >$DIR/log 2>&1 &
engine=$!
wait $engine
while test -e $DIR/again; do
    rm $DIR/again
    serve >>$DIR/log 2>&1 &
    engine=$!
    wait $engine
done
cat $DIR/log >&2
over
