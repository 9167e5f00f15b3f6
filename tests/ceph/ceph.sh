#!/bin/sh
# One monitor, one OSD, one RADOS gateway on 127.0.0.1, in the chroot of tests/ceph; a second call goes on with the data.
#   ceph.sh S3-PORT MONITOR-PORT ACCESS-KEY SECRET-KEY
set -eu
data=/srv/ceph s3=$1 monitor=$2 access=$3 secret=$4

if [ ! -f $data/ceph.conf ]; then
    mkdir -p $data/mon $data/osd $data/run $data/log $data/rgw
    fsid=$(cat /proc/sys/kernel/random/uuid)
    # Without cephx a client asks the monitors for a secure connection all the same and gets none: ms_mon_client_mode.
    cat >$data/ceph.conf <<CONF
[global]
fsid = $fsid
mon initial members = a
mon host = [v2:127.0.0.1:$monitor/0]
public network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 0
mon data avail warn = 0
run dir = $data/run
log file = $data/log/\$name.log
admin socket = $data/run/\$name.asok
mon data = $data/mon
osd data = $data/osd
osd objectstore = bluestore
bluestore block size = 4294967296
osd memory target = 939524096
[client.rgw]
rgw data = $data/rgw
rgw frontends = beast endpoint=127.0.0.1:$s3
CONF
    monmaptool --create --addv a "[v2:127.0.0.1:$monitor]" --fsid "$fsid" $data/monmap
    ceph-mon -c $data/ceph.conf --mkfs -i a --monmap $data/monmap
    touch $data/fresh
fi

ceph-mon -c $data/ceph.conf -i a --setuser root --setgroup root -f &
ceph -c $data/ceph.conf --connect-timeout 60 -s
if [ -f $data/fresh ]; then
    osd=$(cat /proc/sys/kernel/random/uuid)
    ceph -c $data/ceph.conf osd new "$osd"
    ceph-osd -c $data/ceph.conf -i 0 --mkfs --osd-uuid "$osd" --setuser root --setgroup root
fi
ceph-osd -c $data/ceph.conf -i 0 --setuser root --setgroup root -f &
if [ -f $data/fresh ]; then
    radosgw-admin -c $data/ceph.conf -n client.rgw user create --uid ingest --display-name ingest \
        --access-key "$access" --secret-key "$secret"
    rm $data/fresh
fi
exec radosgw -c $data/ceph.conf -n client.rgw --setuser root --setgroup root -f
