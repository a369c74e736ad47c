#!/bin/sh
# Hashes every exhibit again with programs that are not part of evidencekit: sha256sum, cksum (GNU coreutils 9 for SM3)
# and openssl. Prints one line an exhibit and ends with 0 when all agree. / 仅用通用程序重新计算全部摘要。
set -u
cd "$(dirname "$0")" || exit 2
failed=0
for sums in */SHA256SUMS; do
    folder=${sums%/SHA256SUMS}
    verdict=OK
    (cd "$folder" && sha256sum --check --strict --quiet SHA256SUMS) || verdict=FAILED
    if cksum -a sm3 /dev/null >/dev/null 2>&1; then
        (cd "$folder" && cksum -a sm3 --check --strict SM3SUMS >/dev/null) || verdict=FAILED
        sm3='cksum'
    elif openssl list -digest-commands | grep -qw sm3; then
        # Lines are: SM3 (name) = hex
        while IFS= read -r line; do
            name=${line#SM3 (}
            name=${name%) = *}
            test "$(openssl dgst -sm3 -r <"$folder/$name" | cut -d' ' -f1)" = "${line##* = }" || verdict=FAILED
        done <"$folder/SM3SUMS"
        sm3='openssl'
    else
        sm3='NOT CHECKED'
    fi
    # The list itself is named, with its digest, by the signed ASiC manifest.
    stated=$(tr -d '\r\n' <"$folder/META-INF/ASiCManifest001.xml" | sed 's/<[A-Za-z0-9]*:*DataObjectReference /\n&/g' |
        sed -n 's/.*URI="SHA256SUMS".*<[A-Za-z0-9:]*DigestValue>\([^<]*\)<.*/\1/p')
    test "$(openssl dgst -sha256 -binary "$folder/SHA256SUMS" | openssl base64 -A)" = "$stated" || verdict=FAILED
    test "$verdict" = OK || failed=1
    echo "$folder: $verdict (SM3: $sm3; manifest.json SHA-256 $(sha256sum <"$folder/manifest.json" | cut -d' ' -f1))"
done
exit $failed
