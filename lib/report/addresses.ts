/** Network addresses in running text -> `<ip>`; loopback and "any" stay, they say nothing. */
import { isIPv4, isIPv6 } from 'node:net';
import { wordStart, type TextRule } from './secrets.js';

const ipv4 = new RegExp(`${wordStart}(?<!\\d\\.)\\d{1,3}(?:\\.\\d{1,3}){3}(?![\\w]|\\.\\d)`, 'g');
const ipv6 = /(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{1,4})?(?:%\w+)?(?![\w:])/g;
const cloudHostName = new RegExp(`${wordStart}ip(?:-\\d{1,3}){4}(?![\\w-])`, 'gi');
// "==9.10.2.21" and "version 9.10.2.21" are versions with four parts.
const versionBefore = /(?:==|\bversion["':= ]*|\bv)$/i;

export const addressRule: TextRule = {
  kind: 'network address',
  replace: (text, mark) =>
    text
      .replace(ipv4, (address, at: number) =>
        isPublicIpv4(address) && !versionBefore.test(text.slice(Math.max(0, at - 12), at)) ? mark('ip') : address,
      )
      .replace(ipv6, (address) => (isPublicIpv6(address) ? mark('ip') : address))
      .replace(cloudHostName, mark('host')),
};

function isPublicIpv4(address: string): boolean {
  return isIPv4(address) && !/^(?:127\.|0\.0\.0\.0$|255\.255\.255\.255$)/.test(address);
}

function isPublicIpv6(address: string): boolean {
  const bare = address.replace(/%.*$/, '');
  return isIPv6(bare) && bare !== '::' && bare !== '::1' && !bare.toLowerCase().startsWith('::ffff:127.');
}
