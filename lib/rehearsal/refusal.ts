/** Why a request is not served, in the form of vLLM's errors. */
import { STATUS_CODES } from 'node:http';

export class Refusal extends Error {
  override readonly name = 'Refusal';
  constructor(
    readonly status: number,
    message: string,
    readonly type: string = STATUS_CODES[status] ?? 'Error',
    readonly param: string | null = null,
  ) {
    super(message);
  }
}

export const errorBody = ({ message, type, param, status }: Refusal): string =>
  JSON.stringify({ error: { message, type, param, code: status } });

/** A field has a value that it must not have; the field and the value are named as vLLM names them. */
export function badValue(message: string, parameter: string, value: number): Refusal {
  return new Refusal(400, `${message} (parameter=${parameter}, value=${value})`, 'BadRequestError', parameter);
}

/** What an engine that failed says into a stream that has begun. */
export const engineFailure = (message: string): Refusal => new Refusal(500, message, 'InternalServerError');
