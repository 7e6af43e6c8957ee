// A real Chromium, and what a page in it asks of the network and complains about.
import { existsSync } from 'node:fs';
import { Stop } from '../parts/stop.mjs';

const CHROMIUMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const VIEW = { width: 1400, height: 1000 };

export async function startBrowser() {
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath: findChromium(), args: FLAGS });
}

function findChromium() {
  const found = [process.env.CHROMIUM, ...CHROMIUMS].find((path) => path && existsSync(path));
  if (!found)
    throw new Stop('Chromium was not found: apt-get install chromium, or name a browser with CHROMIUM=/path.');
  return found;
}

/** A page, the requests that `isOwn` does not own, and its errors: both lists grow while the page lives. */
export async function openPage(browser, isOwn) {
  const page = await browser.newPage({ viewport: VIEW });
  const requests = [];
  const errors = [];
  page.on('request', (request) => {
    const url = request.url();
    if (!/^(data|blob):/.test(url) && !isOwn(url)) requests.push(url);
  });
  page.on('websocket', (socket) => {
    const url = socket.url().replace(/^ws/, 'http');
    if (!isOwn(url)) requests.push(socket.url());
  });
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text().slice(0, 300));
  });
  page.on('pageerror', (error) => errors.push(`uncaught: ${error.message}`.slice(0, 300)));
  return { page, requests, errors };
}
