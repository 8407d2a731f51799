#!/bin/busybox sh
# The first process of the outer machine: loads what the root needs, mounts the
# host's files read-only as the root, and hands over to Python there.
bb=/bin/busybox
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
$bb mkdir -p /root/run/out /root/run/tmp
$bb mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=none \
  out /root/run/out || echo "init: the folder for results cannot be mounted"
$bb ip link set lo up
word() { $bb sed -n "s/.* baton.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
cd /root
TMPDIR=/run/tmp HOME=/run PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 \
  $bb chroot /root /usr/bin/python3 "$(word main)" /run/out/plan.json
echo "init: ended with $?"
$bb poweroff -f
