#: unzip
set -euo pipefail
mkdir "@@{folder}"
unzip -q "@@{file}" -d "@@{folder}"
cd "@@{folder}"
#: sums
sha256sum --check --strict --quiet SHA256SUMS
find . -type f ! -path './META-INF/*' ! -path ./mimetype ! -path ./SHA256SUMS ! -path ./SM3SUMS |
  cut -c3- | LC_ALL=C sort | diff - <(cut -c67- SHA256SUMS | LC_ALL=C sort)
echo "SHA256SUMS: OK, and no other file is there"
#: sm3
if cksum --help | grep sm3 >/dev/null; then
  cksum -a sm3 --check --strict SM3SUMS >/dev/null
  echo "SM3SUMS: OK"
else
  echo "SM3SUMS: NOT CHECKED, this cksum does not know SM3 (GNU coreutils 9 or newer does)"
fi
#: asic
listed() {
  tr -d '\r\n' <"$1" | sed 's/<[A-Za-z0-9]*:*DataObjectReference /\n&/g' |
    sed -n 's/.*DataObjectReference [^>]*URI="\([^"]*\)".*<[A-Za-z0-9:]*DigestValue>\([^<]*\)<.*/\1 \2/p'
}
compare() {
  listed "$1" | while read -r name value; do
    test "$(openssl dgst -sha256 -binary "$name" | openssl base64 -A)" = "$value" || { echo "$name: FAILED"; exit 1; }
  done
}
compare META-INF/ASiCManifest001.xml
find . -type f ! -path './META-INF/*' ! -path ./mimetype | cut -c3- | LC_ALL=C sort |
  diff - <(listed META-INF/ASiCManifest001.xml | cut -d' ' -f1 | LC_ALL=C sort)
echo "ASiCManifest001.xml: OK, it lists every file"
#: asic2
compare META-INF/ASiCManifest002.xml
listed META-INF/ASiCManifest002.xml | cut -d' ' -f1 | LC_ALL=C sort |
  diff - <((listed META-INF/ASiCManifest001.xml | cut -d' ' -f1; echo META-INF/ASiCManifest001.xml; echo META-INF/signature001.p7s) | LC_ALL=C sort)
echo "ASiCManifest002.xml: OK, it lists the signature as well"
#: time
gentime() {
  date -u -d "$(openssl ts -reply "$@" -text 2>/dev/null | sed -n 's/^Time stamp: //p')" +%s
}
#: signature
at=@@{at}
openssl cms -verify -cades -binary -inform DER -in META-INF/signature001.p7s -content META-INF/ASiCManifest001.xml \
  -CAfile trust/signer.pem -purpose any -attime "$at" -signer ../"@@{folder}".outer.pem -out /dev/null
openssl cms -verify -cades -binary -inform DER -in seal/manifest.p7s -content manifest.json \
  -CAfile trust/signer.pem -purpose any -attime "$at" -signer ../"@@{folder}".inner.pem -out /dev/null
cmp ../"@@{folder}".outer.pem ../"@@{folder}".inner.pem
openssl x509 -in ../"@@{folder}".inner.pem -noout -subject -issuer -serial -fingerprint -sha256
rm ../"@@{folder}".outer.pem ../"@@{folder}".inner.pem
sha256sum manifest.json
#: signature_sm2
# openssl cms cannot check SM2, so each signature is taken apart first. openssl cms 无法核验 SM2，故先取出签名各部分再核验。
at=@@{at}
parts=$(mktemp -d)
openssl x509 -in trust/signer.pem -noout -pubkey >"$parts/key.pem"
identifier=distid:1234567812345678
locate() {
  openssl asn1parse -inform DER -in "$1" | sed -n "s/^ *\([0-9]*\):d=5 *hl=\([0-9]*\) *l= *\([0-9]*\) $2.*/\1 \2 \3/p"
}
holds() { od -An -v -tx1 "$1" | tr -d ' \n' | grep -qF "0420$2"; }
check_sm2() {
  read -r start head size <<<"$(locate "$1" 'cons: cont \[ 0 \]')"
  (printf 1; head -c $((start + head + size)) "$1" | tail -c $((head + size - 1))) >"$parts/attributes"
  read -r start head size <<<"$(locate "$1" 'prim: OCTET STRING')"
  head -c $((start + head + size)) "$1" | tail -c "$size" >"$parts/value"
  openssl dgst -sm3 -verify "$parts/key.pem" -sigopt $identifier -signature "$parts/value" "$parts/attributes"
  holds "$parts/attributes" "$(openssl dgst -sm3 -r "$2" | cut -d' ' -f1)"
  holds "$parts/attributes" "$(openssl x509 -in trust/signer.pem -outform DER | openssl dgst -sha256 -r | cut -d' ' -f1)"
  echo "$1: OK, over $2, by the first certificate of trust/signer.pem"
}
openssl verify -vfyopt $identifier -purpose any -attime "$at" -CAfile trust/signer.pem trust/signer.pem
check_sm2 META-INF/signature001.p7s META-INF/ASiCManifest001.xml
check_sm2 seal/manifest.p7s manifest.json
openssl x509 -in trust/signer.pem -noout -subject -issuer -serial -fingerprint -sha256
rm -r "$parts"
sha256sum manifest.json
#: token
openssl ts -verify -in @@{token} -data @@{over} -CAfile trust/tsa.pem -attime "$(gentime -in @@{token})"
#: outer_token
openssl ts -verify -token_in -in META-INF/timestamp001.tst -data META-INF/ASiCManifest002.xml \
  -CAfile trust/tsa.pem -attime "$(gentime -token_in -in META-INF/timestamp001.tst)"
openssl ts -reply -token_in -in META-INF/timestamp001.tst -text 2>/dev/null | sed -n '/^Policy OID\|^Time stamp\|^TSA/p'
#: anchors
openssl crl2pkcs7 -nocrl -certfile trust/tsa.pem | openssl pkcs7 -print_certs -noout
openssl x509 -in trust/tsa.pem -noout -fingerprint -sha256
#: ledger
work=$(mktemp -d)
cut -d+ -f1 trust/ledger.vkey | tr -d '\n' >"$work/name"
cut -d+ -f3- trust/ledger.vkey | tr -d '\n' | openssl base64 -d -A >"$work/key"
test "$(head -c1 "$work/key" | od -An -tx1 | tr -d ' ')" = 01
(printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00'; tail -c +2 "$work/key") >"$work/key.der"
log_id=$(cut -d+ -f2 trust/ledger.vkey)
check_head() {
  sed '1,/^$/d' "$1" >"$work/note"
  sed '/^$/,$d' "$work/note" >"$work/body"
  rm -f "$work/signature"
  sed '1,/^$/d' "$work/note" | while read -r _ name value; do
    printf '%s' "$value" | openssl base64 -d -A >"$work/line"
    if test "$name" = "$(cat "$work/name")" && test "$(head -c4 "$work/line" | od -An -tx1 | tr -d ' ')" = "$log_id"; then
      tail -c +5 "$work/line" >"$work/signature"
    fi
  done
  test "$(sed -n 1p "$work/body")" = "$(cat "$work/name")"
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key.der" -rawin -in "$work/body" -sigfile "$work/signature"
}
sha256_hex() { printf "$(printf '%s' "$1" | sed 's/../\\x&/g')" | openssl dgst -sha256 -r | cut -d' ' -f1; }
check_entry() {
  local at last hash path root
  check_head "proof/$1.tlog-proof"
  at=$(sed -n 's/^index //p;/^$/q' "proof/$1.tlog-proof")
  last=$(($(sed -n 2p "$work/body") - 1))
  root=$(sed -n 3p "$work/body" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
  hash=$( (printf '\0'; cat "proof/$1.json") | openssl dgst -sha256 -r | cut -d' ' -f1)
  for path in $(sed '1,/^index /d;/^$/,$d' "proof/$1.tlog-proof"); do
    path=$(printf '%s' "$path" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
    test "$last" -gt 0
    if test $((at % 2)) = 1 || test "$at" = "$last"; then
      hash=$(sha256_hex "01$path$hash")
      while test $((at % 2)) = 0 && test "$at" -gt 0; do at=$((at / 2)) last=$((last / 2)); done
    else
      hash=$(sha256_hex "01$hash$path")
    fi
    at=$((at / 2)) last=$((last / 2))
  done
  test "$last" = 0
  test "$hash" = "$root"
  echo "proof/$1.json: OK, it is in the tree of the signed head"
}
check_entry entry
check_entry open
grep -qF "\"manifest\":{\"sha256\":\"$(sha256sum <manifest.json | cut -d' ' -f1)\"" proof/entry.json
grep -qF "\"seal\":{\"sha256\":\"$(sha256sum <seal/manifest.p7s | cut -d' ' -f1)\"" proof/entry.json
echo "proof/entry.json: OK, it names this manifest and this seal"
rm -r "$work"
#: end
echo "All commands succeeded"
