#!/bin/sh
# Unpack Debian's packages into a root of their own, without running anything of them:
# unpack.sh ROOT PACKAGE…
set -eu
root=$1
shift

mkdir -p "$root/var/lib/dpkg/status.d" "$root/etc/ssl/certs" "$root/data" "$root/tmp"
apt-get download "$@"
for package in *.deb; do
    dpkg-deb -x "$package" "$root"
    dpkg-deb -f "$package" >"$root/var/lib/dpkg/status.d/${package%%_*}"
    rm "$package"
done

# What the packages' own scripts would have done.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
ln -sf python3.11 "$root/usr/bin/python3"
printf 'root:x:0:0::/:/sbin/nologin\nupshift:x:10001:10001::/data:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nupshift:x:10001:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
chown 10001:10001 "$root/data"
chmod 1777 "$root/tmp"

# What no program reads.
rm -rf "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale "$root"/usr/share/lintian \
    "$root"/usr/share/python3 "$root"/usr/lib/python3 "$root"/usr/lib/python3.11/lib2to3 \
    "$root"/usr/lib/python3.11/test "$root"/usr/lib/python3.11/idlelib "$root"/usr/lib/*/gconv \
    "$root"/usr/lib/python3.11/pydoc_data "$root"/var/cache "$root"/usr/lib/*/libicutest*
