// Everything the page itself says, in two languages.

export type Language = 'zh' | 'en';

export const WORDS = {
  zh: {
    title: '证据包离线核验', other: 'English',
    supplied: '本页面由制作方随证据包提供。请使用您自备的副本核验，并将本文件的 SHA-256 与另行取得的值比对。',
    ownDigest: '本文件应有的 SHA-256（请以 sha256sum verify.html 自行计算核对）：',
    lead: '将证据包拖放到下方，所有核验均在本页面内完成。', drop: '将证据包 ZIP 拖放至此，或点击选择', stays: '文件不会离开本机，本页面不发出任何网络请求。',
    anchors: '信任锚（决定能否证明签署人、时间与账本）', anchorsHint: '请从证据包以外的渠道取得（公证机构网站、书面材料等）。可粘贴 PEM，也可粘贴证书的 SHA-256 指纹。不填写时仅能核验完整性。',
    signers: '签署人证书（PEM、吊销列表或指纹）', tsas: '时间戳机构证书（PEM、吊销列表或指纹）', log: '账本与见证方公钥（vkey 每行一个，或 C2SP 见证策略）', policy: '策略（JSON，可不填）',
    beside: '您手中的文件（可不填）', copies: '存证文件的副本：逐字节比对是否为所存证的文件', receipts: '其后取得的锚定回执（JSON）',
    self: '使用包内自带的信任锚（签署人与时间的结论至多为“未定”）', again: '重新核验',
    PASSED: '通过', INDETERMINATE: '未定', FAILED: '未通过', NOT_PERFORMED: '未执行',
    unreadable: '无法读取此文件', badAnchors: '信任锚、策略或回执无法读取',
    number: '证书编号', file: '文件', digest: '文件 SHA-256', at: '核验时点', outcome: '结果', finding: '检查项', reason: '说明',
    screenshot: '包内截图（供对照）', certificate: '包内证书正文（仅文字，版式从略）', seen: '包内出现的证书（请与另行取得的指纹比对）', signer: '签署人', tsa: '时间戳机构', logKey: '账本公钥',
    proves: '可证明', limits: '不能证明', nothing: '无', notes: '全部 %d 项记录',
    footer: '本页面不能证明网页内容真实，也不能排除取证设备被整体替换。账本不是区块链。',
    passedSentence: '全部必需检查均已通过（以您提供的信任锚为准）', integrity: '完整性成立', untied: '无法与您信任的任何依据相联系', undecided: '未能判定：', selfNote: '信任锚取自证据包自身，未与任何外部依据核对', askedNote: '您的策略还要求 ',
    outside: '存证文件在 evidencekit 之外形成，存证人的陈述未经观察', disagreement: '但记录各部分未能完全相互印证：',
    who: '签署人', when: '时间', logWord: '日志', comma: '、', semicolon: '；', colon: '：', dot: '；',
  },
  en: {
    title: 'Offline verification of an evidence bundle', other: '中文',
    supplied: 'This page was supplied by the party who made the bundle; use your own copy, and compare the SHA-256 of this file with one obtained elsewhere.',
    ownDigest: 'SHA-256 that this file should have (compute it yourself: sha256sum verify.html):',
    lead: 'Drop the bundle below. Everything is checked inside this page.', drop: 'Drop the bundle ZIP here, or click to choose it', stays: 'The file does not leave this machine; this page makes no network request.',
    anchors: 'Anchors (without them nothing is shown of signer, time and ledger)', anchorsHint: "Obtain them elsewhere than from the bundle: the notary's web site, a letter. Paste PEM, or the SHA-256 fingerprint of a certificate. With none, only integrity is checked.",
    signers: "Signer's certificates (PEM, revocation lists or fingerprints)", tsas: 'Time-stamp authorities (PEM, revocation lists or fingerprints)', log: 'Keys of ledger and witnesses (vkey, one a line; or a C2SP witness policy)', policy: 'Policy (JSON, optional)',
    beside: 'What you hold yourself (optional)', copies: 'Copies of deposited files: are they, to the byte, what was deposited?', receipts: 'Receipts of anchors that came later (JSON)',
    self: "Use the bundle's own anchors (signer and time are then INDETERMINATE at best)", again: 'Verify again',
    PASSED: 'PASSED', INDETERMINATE: 'INDETERMINATE', FAILED: 'FAILED', NOT_PERFORMED: 'NOT PERFORMED',
    unreadable: 'This file cannot be read', badAnchors: 'The anchors, the policy or the receipts cannot be read',
    number: 'Certificate number', file: 'File', digest: 'SHA-256 of the file', at: 'Judged at', outcome: 'Outcome', finding: 'Finding', reason: 'Reason',
    screenshot: 'Screenshot in the bundle (for comparison)', certificate: 'Text of the certificate in the bundle (layout left out)', seen: 'Certificates seen in the bundle (compare their fingerprints with ones obtained elsewhere)', signer: 'Signer', tsa: 'Time-stamp authority', logKey: 'Ledger key',
    proves: 'Proves', limits: 'Does not prove', nothing: 'nothing', notes: 'all %d notes',
    footer: 'This page cannot show that the content of the web page was true, nor that the machine that captured it was not replaced as a whole. The ledger is not a blockchain.',
    passedSentence: 'every required check passed against the anchors you gave', integrity: 'integrity holds', untied: 'could not be tied to anything you trust', undecided: 'not decided: ', selfNote: 'the anchors came from the bundle itself, so nothing was checked against the outside', askedNote: 'your policy also asks for ',
    outside: 'the deposited files were made outside evidencekit, and what their depositor states was not observed', disagreement: 'but parts of the record do not account for each other: ',
    who: 'who signed', when: 'when', logWord: 'the log', comma: ', ', semicolon: '; ', colon: ': ', dot: ' · ',
  },
} as const;

export type Words = Record<keyof (typeof WORDS)['zh'], string>;
