#!/bin/busybox sh
# The first process of the outer machine: loads what the root needs, mounts the
# host's files read-only as the root, and hands over to Python there.
bb=/bin/busybox
word() { $bb sed -n "s/.* baton.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
$bb mkdir -p /proc /sys /dev /root
$bb mount -t proc proc /proc
while read -r module; do
  $bb insmod "/modules/$module" || echo "init: $module does not load"
done < /modules/order
$bb mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=1048576,cache=loose \
  host /root || echo "init: the host's files cannot be mounted"
$bb mount -t proc proc /root/proc
$bb mount -t sysfs sys /root/sys
# Programs are read as they are touched: in large pieces.
for size in /root/sys/class/bdi/9p*/read_ahead_kb; do echo 1024 > "$size"; done
$bb mount -t devtmpfs dev /root/dev
$bb mkdir -p /root/dev/shm
$bb mount -t tmpfs -o size=75% shm /root/dev/shm
$bb mount -t tmpfs run /root/run
$bb mkdir -p /root/run/out /root/run/tmp /root/run/cache /root/run/hierarchy
$bb mount -t cgroup2 cgroup /root/sys/fs/cgroup
# And one hierarchy of version 1.
$bb mount -t cgroup -o none,name=lab lab /root/run/hierarchy
$bb mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=none \
  out /root/run/out || echo "init: the folder for results cannot be mounted"
# Its way there may be closed to users of whom the host knows nothing.
$bb mount --bind "/root$(word cache)" /root/run/cache
$bb ip link set lo up
cd /root
TMPDIR=/run/tmp HOME=/run PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 \
  $bb chroot /root /usr/bin/python3 "$(word main)" /run/out/plan.json
echo "init: ended with $?"
$bb poweroff -f
