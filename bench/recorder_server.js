// The page of bench/recorder.py, over TLS: two ports, h2 and HTTP/1.1. Prints {"h2":port,"h1":port}; a report of the
// page's load time (POST /report?id) is printed as {"id":…,"load_ms":…}.
'use strict';
const http2 = require('http2'), https = require('https'), fs = require('fs'), zlib = require('zlib');
const crypto = require('crypto');
const pem = fs.readFileSync(process.argv[2]);
const delay = { h1: Number(process.argv[3]), h2: 0 };
const IMAGES = 200;
const picture = Buffer.concat([
  Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64'),
  crypto.randomBytes(20 * 1024),
]);
const ports = {};
const page = (id) => `<!doctype html><title>T</title><link rel=stylesheet href=/s.css><script src=/a.js></script><body>
${Array.from({ length: IMAGES }, (_, i) => `<img src=/i/${i}.png width=10 height=10>`).join('')}
<iframe src=/frame.html></iframe><script>addEventListener('load', () => setTimeout(() => {
  const t = performance.getEntriesByType('navigation')[0];
  navigator.sendBeacon('/report?${id}', String(t.loadEventEnd));
}))</script></body>`;
const answers = {
  '/frame.html': ['text/html', 'identity', Buffer.from('<!doctype html><p>frame<img src=/i/frame.png>')],
  '/s.css': ['text/css', 'gzip', zlib.gzipSync('body{color:#111}'.repeat(500))],
  '/a.js': ['text/javascript', 'br', zlib.brotliCompressSync('var x=1;'.repeat(2000))],
};
const handle = (kind) => (request, response) => {
  const [path, query] = request.url.split('?');
  const send = (type, coding, body) => {
    response.writeHead(200, { 'content-type': type, 'content-length': body.length, 'cache-control': 'no-store',
      ...(coding === 'identity' ? {} : { 'content-encoding': coding }) });
    response.end(body);
  };
  if (path === '/page') return send('text/html', 'br', zlib.brotliCompressSync(page(query)));
  if (path === '/report') {
    let body = '';
    request.on('data', (piece) => { body += piece; });
    request.on('end', () => {
      console.log(JSON.stringify({ id: query, load_ms: Number(body) }));
      response.writeHead(204); response.end();
    });
    return undefined;
  }
  if (path.startsWith('/i/')) return setTimeout(() => send('image/png', 'identity', picture), delay[kind]);
  if (answers[path]) return send(...answers[path]);
  response.writeHead(404); response.end();
  return undefined;
};
const options = { key: pem, cert: pem };
const h2 = http2.createSecureServer({ ...options, allowHTTP1: false }, handle('h2'));
const h1 = https.createServer(options, handle('h1'));
h2.listen(0, '127.0.0.1', () => h1.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ h2: h2.address().port, h1: h1.address().port }));
}));
process.stdin.resume();
process.stdin.on('end', () => process.exit());
