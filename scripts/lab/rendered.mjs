// A rendered page by itself: it must make no request, complain about nothing, and show its pictures.
import { pathToFileURL } from 'node:url';
import { openPage } from './browser.mjs';
import { measurePictures } from './inpage.mjs';

/** { says, problems } of an HTML file. */
export async function lookAtPage(browser, file, screenshot) {
  const address = pathToFileURL(file).href;
  const { page, requests, errors } = await openPage(browser, (url) => url === address);
  await page.goto(address, { waitUntil: 'load' });
  const pictures = await page.evaluate(measurePictures);
  if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });
  return {
    says: [`pictures: ${pictures.join(', ') || 'none'}`],
    problems: [
      ...requests.map((url) => `request to ${url}`),
      ...errors.map((error) => `console: ${error}`),
      ...pictures.flatMap((size, index) => (size === '0x0' ? [`picture ${index + 1} is empty`] : [])),
    ],
  };
}
