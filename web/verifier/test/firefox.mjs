// Judges bundles in Firefox over WebDriver BiDi: `node firefox.mjs PAGE < questions.json > answers.json`.
//
// A question is {path, signers, tsas, log, policy, own, at}; an answer {outcomes: [[id, outcome]…], overall, problem}.
// The last line of standard error lists what the page asked of the network.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';

const page = pathToFileURL(process.argv[2]).href;
const questions = JSON.parse(readFileSync(0, 'utf8'));
const browser = await puppeteer.launch({ browser: 'firefox', executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr', headless: true, timeout: 90_000, protocolTimeout: 180_000 });
const asked = [];
const answers = [];
try {
  const sheet = await browser.newPage();
  sheet.on('request', (request) => asked.push(request.url()));
  sheet.on('pageerror', (error) => asked.push(`error ${error}`));
  await sheet.goto(page);
  for (const question of questions) {
    await sheet.evaluate(({ signers, tsas, log, policy, own, at }) => {
      Date.now = () => at;
      for (const [id, text] of Object.entries({ signers, tsas, log, policy })) document.getElementById(id).value = text;
      document.getElementById('self').checked = own;
      document.getElementById('result').replaceChildren();
    }, question);
    const input = await sheet.$('#file');
    await input.uploadFile(question.path);
    await sheet.waitForSelector('#overall, #problem', { timeout: 120_000 });
    answers.push(await sheet.evaluate(() => ({
      outcomes: [...document.querySelectorAll('tr[data-id]')].map((row) => [row.dataset.id, row.dataset.outcome]),
      overall: document.getElementById('overall')?.dataset.outcome ?? '',
      problem: document.querySelector('#problem span')?.textContent ?? '',
    })));
  }
} finally {
  await browser.close();
}
process.stderr.write(`${JSON.stringify(asked.filter((url) => url !== page && !/^(?:blob|data):/.test(url)))}\n`);
process.stdout.write(JSON.stringify(answers));
