// One verification from a File to findings. Anchors are given by the caller, never taken from the bundle unasked.

/** Reads pasted anchors: PEM certificates and a ledger key. */
function readAnchors(signers, tsas, log) {
  return {
    signers: parsePem(signers), tsas: parsePem(tsas),
    logs: log.split('\n').map((line) => line.trim()).filter(Boolean).slice(0, 16).map(parseVkey),
  };
}

function addOwnAnchors(bundle, anchors) {
  const text = (name) => (bundle.read.has(name) ? toText(bytesOf(bundle, name)) : '');
  const own = readAnchors(text('trust/signer.pem'), text('trust/tsa.pem'), text('trust/ledger.vkey'));
  return { signers: [...anchors.signers, ...own.signers], tsas: [...anchors.tsas, ...own.tsas], logs: [...anchors.logs, ...own.logs] };
}

async function readBundle(file, onProgress) {
  const zip = await openZip(file);
  const read = new Map();
  let done = 0;
  for (const entry of zip.members.values()) {
    read.set(entry.name, await readMember(zip, entry, KEEP.test(entry.name)));
    done += entry.packed;
    onProgress(done / Math.max(1, file.size));
  }
  return { read, form: zip.form };
}

/**
 * Verifies a bundle.
 * @param {File} file the ZIP
 * @param {{anchors: object, self: boolean, now: number, onProgress: (part: number) => void}} options
 */
async function verifyBundle(file, { anchors, self, now, onProgress }) {
  const findings = new Findings();
  const bundle = await readBundle(file, onProgress);
  if (bundle.form.length) {
    const shown = bundle.form.slice(0, 3).map((one) => visible(one, 100)).join('; ');
    findings.put('container.form', INDETERMINATE, `re-packed: ${shown}`, `曾被重新打包：${shown}`);
  } else {
    findings.put('container.form', PASSED, 'in the fixed form', '符合规定形式');
  }
  let trusted = anchors;
  if (self) {
    findings.put('trust.self', INDETERMINATE, 'anchors came from the bundle itself: nothing was checked against the outside', '信任锚取自证据包自身，未与任何外部依据核对');
    trusted = addOwnAnchors(bundle, anchors);
  }
  await findings.run('format.version', () => checkVersions(bundle));
  if (findings.outcome('format.version') === INDETERMINATE) {
    for (const [id, layer] of REGISTRY.filter((row) => !NEVER_IMPLIED.has(row[0]) && !findings.list.some((one) => one.id === row[0]))) {
      if (layer !== 'status') findings.put(id, INDETERMINATE, 'needs a newer verifier', '需要更新的核验程序');
    }
  } else {
    await checkRecord(bundle, findings);
    await checkSeals(bundle, findings, { anchors: trusted, now });
  }
  findings.put('status.current', NOT_PERFORMED, 'later correction or revocation needs a newer ledger', '事后更正或撤销需要更新的账本');
  return { findings: findings.complete(), overall: findings.overall(), bundle };
}
