#!/bin/sh
# Ceph RGW 的两个用户：建桶的管理员（用后取走密钥），接收服务。在有 admin 密钥环的节点上运行一次。
# Two users of the gateway: who makes the bucket (its key is taken away afterwards), and the ingest service. Run once, on a node with the
# admin keyring, then see README.md. The keys are printed by radosgw-admin and stored nowhere else.
set -eu

radosgw-admin user create --uid evidence-owner --display-name "evidence bucket owner" --max-buckets 1
# max-buckets -1：不能建桶 may make no bucket
radosgw-admin user create --uid ingest --display-name "ingest service" --max-buckets -1

cat <<'NEXT'
1. 以 evidence-owner 的密钥 with the key of evidence-owner:
   AWS_SHARED_CREDENTIALS_FILE=owner python -m hw_sim.agency.objects prepare --objects "$OBJECTS"
   aws --endpoint-url https://rgw.agency.internal:8443 s3api put-bucket-policy --bucket evidence --policy file://policy.json
2. 取走所有者的密钥（不要 user suspend：那样桶也停用）take the owner's key away (never "user suspend": it suspends the bucket, too):
   radosgw-admin key rm --uid evidence-owner --key-type s3 --access-key KEY
NEXT
