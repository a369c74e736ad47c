// Finding ids, layers and what bounds the verdict: docs/spec/findings.md (a test compares).

const REGISTRY = [
  ['container.form', 'container', true], ['container.members', 'container', true], ['format.version', 'container', true],
  ['sums.sha256', 'container', true], ['sums.sm3', 'container', true],
  ['outer.manifest', 'outer seal', true], ['outer.signature', 'outer seal', true], ['outer.signer', 'outer seal', true],
  ['outer.timestamp', 'outer seal', true],
  ['manifest.form', 'record', true], ['manifest.artifacts', 'record', true], ['manifest.records', 'record', true],
  ['manifest.minimum', 'record', true], ['archive.records', 'record', true], ['archive.wacz', 'record', true],
  ['exchanges.complete', 'record', true],
  ['exchanges.corroborated', 'record', false], ['worklog.chain', 'record', true], ['custody.chain', 'record', true],
  ['environment.report', 'environment', false], ['devtools.exclusive', 'environment', false],
  ['tls.handshake', 'environment', false],
  ['seal.signature', 'signature', true], ['seal.identity', 'signature', true], ['seal.validity', 'signature', true],
  ['seal.revocation', 'signature', false],
  ['time.open', 'time', true], ['time.capture', 'time', true], ['time.seal', 'time', true], ['time.order', 'time', true],
  ['time.independent', 'time', false],
  ['ledger.entry', 'ledger', true], ['ledger.inclusion', 'ledger', true], ['ledger.checkpoint', 'ledger', true],
  ['ledger.open', 'ledger', true], ['ledger.independent', 'ledger', false],
  ['policy.signatures', 'signature', false], ['trust.self', 'container', false], ['status.current', 'status', false],
];
const NEVER_IMPLIED = new Set(['policy.signatures', 'trust.self']);
const PASSED = 'PASSED';
const INDETERMINATE = 'INDETERMINATE';
const FAILED = 'FAILED';
const NOT_PERFORMED = 'NOT_PERFORMED';

const NOT_HERE = ['this page does not check it; use evidencekit verify', '本页面不核验此项，请使用 evidencekit verify'];

class Findings {
  constructor() {
    this.list = [];
  }

  put(id, outcome, en, zh, subject = '') {
    this.list.push({ id, outcome, en, zh, subject });
  }

  /** Runs one check; foreign bytes that break it make it FAILED, what this browser cannot do NOT_PERFORMED. */
  async run(id, check, subject = '') {
    try {
      const [outcome, en, zh] = await check();
      this.put(id, outcome, en, zh, subject);
      return outcome;
    } catch (error) {
      if (error instanceof Unsupported) {
        this.put(id, NOT_PERFORMED, `not supported here: ${error.message}`, `此处不支持：${error.message}`, subject);
        return NOT_PERFORMED;
      }
      const reason = error instanceof FormatError ? error.message : 'the data could not be read';
      this.put(id, FAILED, reason, `数据不符合格式：${reason}`, subject);
      return FAILED;
    }
  }

  outcome(id) {
    const found = this.list.filter((one) => one.id === id).map((one) => one.outcome);
    return [FAILED, NOT_PERFORMED, INDETERMINATE].find((one) => found.includes(one)) ?? (found.length ? PASSED : NOT_PERFORMED);
  }

  /** In the registry's order, with NOT_PERFORMED for every id that no check reached. */
  complete() {
    return REGISTRY.flatMap(([id]) => {
      const found = this.list.filter((one) => one.id === id);
      if (found.length || NEVER_IMPLIED.has(id)) return found;
      return [{ id, outcome: NOT_PERFORMED, en: NOT_HERE[0], zh: NOT_HERE[1], subject: '' }];
    });
  }

  overall() {
    const all = this.complete();
    if (all.some((one) => one.outcome === FAILED)) return FAILED;
    const required = new Set(REGISTRY.filter((row) => row[2]).map((row) => row[0]));
    const open = all.some((one) => one.outcome !== PASSED && (required.has(one.id) || one.id === 'trust.self'));
    return open ? INDETERMINATE : PASSED;
  }
}

const passed = (en, zh) => [PASSED, en, zh];
const failed = (en, zh) => [FAILED, en, zh];
const undecided = (en, zh) => [INDETERMINATE, en, zh];
