/**
 * The text of a prompt -> token ids, one a UTF-8 byte as in the synthetic checkpoints. Of any other model the
 * rehearsal does not know the tokenizer: its counts are then those of the bytes.
 */

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** Beside the 256 bytes: the two markers around a turn of a chat. The ids are our own. */
const turnStart = 256;
const turnEnd = 257;

/** Accents are composed first, as the tokenizer of the synthetic checkpoints does. */
export function tokensOfText(text: string): number[] {
  return [...Buffer.from(text.normalize('NFC'), 'utf8')];
}

/** Each turn between its markers, headed by its role, and an open turn of the assistant at the end. */
export function tokensOfChat(messages: readonly ChatMessage[]): number[] {
  const turns = messages.flatMap(({ role, content }) => [
    turnStart,
    ...tokensOfText(`${role}\n${content}`),
    turnEnd,
    ...tokensOfText('\n'),
  ]);
  return [...turns, turnStart, ...tokensOfText('assistant\n')];
}
