/** The operation that a Prometheus server scrapes. */
import * as v from 'valibot';
import { TEXT_FORMAT } from '../../../domain/metrics/text-format.ts';
import { PlainText } from '../../http/plain-text.ts';
import { type Operation, operation } from '../operation.ts';
import { collect } from './collect.ts';

const readMetrics = operation({
  id: 'metrics.read',
  summary: 'Returns the metrics of the isolate that answers, for Prometheus',
  method: 'GET',
  path: '/metrics',
  permission: 'metrics:read',
  response: { body: v.string(), mediaType: 'text/plain' },
  run: async ({ runtime, objects }) => ({
    value: new PlainText(await collect(objects, runtime.startedAt), TEXT_FORMAT),
  }),
});

export const metricsOperations: readonly Operation[] = [readMetrics];
