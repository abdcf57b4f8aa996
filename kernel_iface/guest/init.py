"""The guest's first process: a shell script that runs one command and hands back its results.

It talks to the runner over three virtio ports: ``control`` carries the events of
:class:`.session.Session`, ``output`` what the command prints, ``results`` a tar of its files.
"""

COMMAND = "/guest/command"
DISK = "/dev/disk"
SETTINGS = "/guest/settings"
OUT = "/out"

INIT = r"""#!/bin/sh
export PATH=/usr/bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /out
mount -t devpts devpts /dev/pts
for place in /dev/shm /run /tmp; do mount -t tmpfs tmpfs $place; done
chmod 1777 /dev/shm /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
	ln -sf ${link#*:} /dev/${link%%:*}
done
hostname guest
ip link set lo up

insert() {
	for module in /modules/$1/*.ko; do
		[ ! -e $module ] || insmod $module || fail "cannot insert $module"
	done
}
say() { echo "$*" >&3; }
fail() {
	echo "init: $*"
	[ -z "$connected" ] || say "error $*"
	poweroff -f
}

# The ports come up by themselves, some time after their driver.
insert boot
mkdir /run/port
tries=0
until [ -e /run/port/control ] && [ -e /run/port/output ] && [ -e /run/port/results ]; do
	for port in /sys/class/virtio-ports/*; do
		[ ! -e $port/name ] || ln -sf /dev/${port##*/} /run/port/$(cat $port/name)
	done
	tries=$((tries + 1))
	[ $tries -lt 500 ] || fail "the virtio ports did not appear"
	[ $tries -lt 2 ] || usleep 20000
done
exec 3>/run/port/control
connected=1

# As on a host with systemd: children of the root group can use these controllers.
for controller in cpu io memory pids; do
	echo +$controller 2>/dev/null >/sys/fs/cgroup/cgroup.subtree_control
done

# A disk is known by its serial number, whatever order the kernel found them in.
for block in /sys/block/nvme*; do
	[ ! -e $block ] || ln -s ${block##*/} /dev/$(echo $(cat $block/device/serial))
done

. /guest/settings
if [ $swap_bytes -gt 0 ]; then
	insert swap
	swap=/dev/swap
	if [ ! -e $swap ]; then
		swap=/dev/zram0 zram=/sys/block/zram0
		echo $swap_algorithm >$zram/comp_algorithm ||
			fail "zram has no $swap_algorithm but $(cat $zram/comp_algorithm)"
		echo $swap_bytes >$zram/disksize
	fi
	mkswap $swap >/dev/null && swapon $swap || fail "cannot swap to $swap"
fi

# A port cannot be opened twice, so a command that opens /dev/stdout needs a pipe in between.
echo -1000 >/proc/self/oom_score_adj
mkfifo /run/output
cat /run/output 3>&- >/run/port/output &
printer=$!
say "ready $(uname -r)"
sh /guest/command 3>&- </dev/null >/run/output 2>&1
status=$?
# What the command left running may keep the pipe open: give the last words a second.
(sleep 1; kill $printer) 3>&- 2>/dev/null &
wait $printer
say "exit $status"
digest=$(tar -C /out -cf - . | tee /run/port/results | sha256sum)
say "results ${digest%% *}"
poweroff -f
"""
