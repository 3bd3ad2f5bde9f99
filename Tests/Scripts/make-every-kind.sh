#!/usr/bin/env bash
# Makes a tree with every kind of file and metadata that varve keeps: make-every-kind.sh DIR
# As root it holds owners, devices, capabilities and inode flags too; what cannot be made here is said and left out.
# ENTRIES (20000) is the number of names in the large directory, MEGABYTES (100) the size of the large file.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: make-every-kind.sh DIR" >&2; exit 2; }
entries=${ENTRIES:-20000} megabytes=${MEGABYTES:-100}
mkdir -p "$1"
cd "$1"
umask 022
without() { echo "make-every-kind: left out: $*" >&2; }
as_root() { [ "$(id -u)" -eq 0 ]; }

# Contents: empty, one byte, about a chunk, many chunks, twice the same, zeros that are stored.
mkdir contents
: > contents/empty
printf x > contents/one-byte
seq 1 3000 > contents/small
seq 1 200000 > contents/text
cp contents/text contents/text-again
head -c 300000 /dev/zero > contents/zeros
openssl enc -aes-128-ctr -nosalt -pass pass:varve -pbkdf2 < /dev/zero 2>/dev/null \
    | head -c "$((megabytes * 1000000))" > contents/large || true

# Modes, also those that keep the owner out.
mkdir modes
if as_root; then modes=0000; else modes=; fi # nobody else could read it back
for mode in $modes 0400 0644 0755 1644 2755 4755 6711; do
    printf '%s\n' "$mode" > "modes/$mode"
    chmod "$mode" "modes/$mode"
done
mkdir modes/sticky modes/group-of-parent modes/closed
: > modes/closed/inside
chmod 1777 modes/sticky
chmod 2775 modes/group-of-parent
chmod 0500 modes/closed

# Times: nanoseconds, before 1970, after 2106, directories and symlinks.
mkdir -p times/directory
touch -d '2001-02-03 04:05:06.123456789 UTC' times/nanoseconds
touch -d '1969-12-31 23:59:59.999999999 UTC' times/just-before-1970
touch -d '1931-05-06 07:08:09.5 UTC' times/before-1970
touch -d '2107-08-09 10:11:12.000000001 UTC' times/after-2106
ln -s nowhere times/symlink
touch -h -d '1999-09-09 09:09:09.090909090 UTC' times/symlink
touch -d '1984-04-04 04:04:04.040404040 UTC' times/directory

# Symlinks and hard links, also of things that are not files.
mkdir -p links/deep
ln -s ../contents/small links/relative
ln -s /etc/passwd links/absolute
ln -s does/not/exist links/dangling
ln -s .. links/up
printf 'three names\n' > links/first
ln links/first links/deep/second
ln links/first links/third
ln -P links/relative links/relative-again
mkfifo links/fifo
ln links/fifo links/fifo-again

# Sparse files: holes at the front, in the middle, at the end; nothing but a hole.
mkdir sparse
truncate -s 5000000 sparse/all-hole
printf begin > sparse/end-hole && truncate -s 3000001 sparse/end-hole
truncate -s 2000000 sparse/front-hole && printf end >> sparse/front-hole
truncate -s 9000000 sparse/middle
printf one | dd of=sparse/middle bs=1 seek=4096 conv=notrunc status=none
printf two | dd of=sparse/middle bs=1 seek=6000000 conv=notrunc status=none

# Special files.
mkdir special
mkfifo -m 0640 special/fifo
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' special/socket
if as_root && mknod special/null c 1 3 2>/dev/null; then
    mknod special/loop b 7 200
    chmod 0660 special/loop
    mknod special/large-numbers c 300 70000
else without "devices (only root may make them)"; fi

# Extended attributes, ACLs, capabilities, inode flags.
mkdir -p attributes/defaults
printf a > attributes/user
if setfattr -n user.comment -v 'words and \000 bytes' attributes/user 2>/dev/null; then
    setfattr -n user.empty attributes/user
    setfattr -n user.binary -v 0x00ff10 attributes/user
    setfattr -n user.directory -v yes attributes
    if as_root; then setfattr -h -n trusted.symlink -v yes links/dangling; fi
else without "extended attributes (needs the package attr and a file system with them)"; fi
printf b > attributes/acl
if setfacl -m u:12345:rw-,g:23456:r--,m::rwx attributes/acl 2>/dev/null; then
    setfacl -m u:12345:rwx attributes/defaults
    setfacl -d -m g:23456:r-x attributes/defaults
    : > attributes/defaults/inherits
else without "ACLs (needs the package acl and a file system with them)"; fi
printf c > attributes/capable
chmod 0755 attributes/capable
if ! { as_root && setcap cap_net_raw,cap_chown+ep attributes/capable 2>/dev/null; }; then
    without "capabilities (needs root and the package libcap2-bin)"
fi

# Names of any bytes.
mkdir names
long=$(printf '%255s' '' | tr ' ' n)
for name in "$long" ' leading space' 'trailing space ' $'new\nline' $'escape\e[31m' $'\xff\xfe not UTF-8' '-n' '*' '"' \
    $'\xc3\xa9 composed' $'e\xcc\x81 decomposed' 'Case' 'case' '...' '\backslash' '.hidden' 'ünïcödé 🗻'; do
    printf '%s' "$name" > "names/$name"
done
mkdir "names/$(printf '%255s' '' | tr ' ' d)" $'names/directory \xe9'
: > $'names/directory \xe9/inside'
ln -s $'\xe9target' $'names/link \xe9'

# Deep directories, an empty one, and one with so many names that its list is cut.
mkdir empty
(for level in $(seq 1 60); do
    mkdir "level $level"
    cd "level $level"
    printf '%s\n' "$level" > "file $level"
done)
mkdir many
(cd many && seq -f 'entry %06.0f of a large directory' 1 "$entries" | xargs -d '\n' touch)
for number in 000007 010000 "$(printf %06d "$entries")"; do
    printf '%s\n' "$number" > "many/entry $number of a large directory"
done

# Owners without a name here, after everything else and before what forbids changes.
if as_root; then
    mkdir owners
    for pair in 0:0 1:2 12345:23456 4000000000:4000000001; do
        printf '%s\n' "$pair" > "owners/$pair"
        chown "$pair" "owners/$pair"
    done
    ln -s owned owners/symlink
    chown -h 12345:23456 owners/symlink
    printf s > owners/setuid && chown 12345:23456 owners/setuid && chmod 6755 owners/setuid
else without "foreign owners (only root may give files away)"; fi
mkdir flags
for letter in d A a i; do
    printf '%s\n' "$letter" > "flags/$letter"
    chattr "+$letter" "flags/$letter" 2>/dev/null || without "inode flag $letter"
done
printf 'linked and immutable\n' > flags/linked
ln flags/linked flags/linked-again
chattr +i flags/linked 2>/dev/null || without "inode flag i on hard links"
mkdir flags/nodump-directory
chattr +d flags/nodump-directory 2>/dev/null || true
touch -d '2010-10-10 10:10:10.101010101 UTC' contents modes links sparse special names flags
