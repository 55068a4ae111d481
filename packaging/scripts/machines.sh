# shellcheck shell=sh
# Whole machines of every kind, by qemu with Debian's kernels: what emulating one program leaves out,
# Landlock and seccomp, is there. In memory alone, without a network. Sourced after roots.sh.

# need_kernels: Debian's kernel and busybox for every target, in the folder of builds.
need_kernels() {
    KERNELS=$ROOT/target/kernels
    mkdir -p "$KERNELS"
    for target in $TARGETS; do
        debian=$(deb_arch_of "$target")
        [ -e "$KERNELS/$debian.busybox" ] || fetch_kernel "$debian"
    done
}

# fetch_kernel ARCH: through a Debian of our own, which may know foreign packages.
fetch_kernel() {
    say "fetching a kernel for $1"
    case $1 in
    amd64) kernel=linux-image-cloud-amd64 ;;
    armhf) kernel=linux-image-armmp-lpae ;;
    *) kernel=linux-image-$1 ;;
    esac
    make_root
    in_root dpkg --add-architecture "$1"
    # Any kernel of the release will do; lists of security updates for other machines are at times being
    # changed while they are fetched.
    connect_root bookworm
    # shellcheck disable=SC2016
    in_root sh -ec 'mkdir /fetched; chown _apt /fetched; cd /fetched
        apt-get download -qq "busybox-static:$2" "$(apt-cache depends "$1:$2" | sed -n "s/.*Depends: //p")"' \
        - "$kernel" "$1"
    for package in "$SCRATCH"/root/fetched/*.deb; do
        dpkg-deb -x "$package" "$SCRATCH/root/unpacked"
    done
    cp "$SCRATCH"/root/unpacked/boot/vmlinuz-* "$KERNELS/$1.kernel"
    cp "$SCRATCH/root/unpacked/bin/busybox" "$KERNELS/$1.busybox"
    leave_root
}

# memory_disk TARGET MACHINE FILE: a file system with the busybox of the machine, the program and what is
# to be done.
memory_disk() {
    disk=$SCRATCH/disk-$1
    mkdir -p "$disk/bin" "$disk/etc/narthex"
    cp "$KERNELS/$(deb_arch_of "$2").busybox" "$disk/bin/busybox"
    cp "dist/narthex-linux-$(arch_of "$1")" "$disk/bin/narthex"
    cp packaging/scripts/machine-init.sh "$disk/init"
    chmod 755 "$disk/init" "$disk/bin/busybox" "$disk/bin/narthex"
    echo '127.0.0.1 localhost' >"$disk/etc/hosts"
    configuration 9090 | sed s/:19201/:9201/ >"$disk/etc/narthex/narthex.yml"
    (cd "$disk" && find . | cpio -o -H newc --quiet | gzip -1) >"$3"
    rm -r "$disk"
}

# run_machine TARGET DISK OUTPUT: until it switches itself off, within ten minutes. Its clock says 2040: a
# count of seconds in 32 bits has ended then, and 32-bit kernels take no such time.
run_machine() {
    kernel=$KERNELS/$(deb_arch_of "$1").kernel
    disk=$2
    case $1 in
    x86_64-*) set -- "$@" qemu-system-x86_64 ttyS0 -cpu max -rtc base=2040-06-01 ;;
    aarch64-*) set -- "$@" qemu-system-aarch64 ttyAMA0 -machine virt -cpu cortex-a53 -rtc base=2040-06-01 ;;
    armv7-*) set -- "$@" qemu-system-arm ttyAMA0 -machine virt -cpu cortex-a15 -rtc base=2037-06-01 ;;
    esac
    output=$3
    program=$4
    console=$5
    shift 5
    timeout 600 "$program" "$@" -m 512 -smp 1 -nographic -no-reboot -nic none \
        -kernel "$kernel" -initrd "$disk" -append "console=$console panic=-1 quiet" \
        </dev/null >"$output" 2>&1
}
