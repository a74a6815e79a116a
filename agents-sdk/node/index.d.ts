import type { ConnectionOptions } from 'node:tls';

/** What is raised; `hz` is samples per second, of `heap` snapshots an hour. 0 stands still. */
export type Profile = 'cpu' | 'wall' | 'alloc' | 'lock' | 'heap';

export interface Decision {
  profile: Profile;
  hz: number;
  /** Confirmed before; null the first time. */
  previousHz: number | null;
  /** Id of the lease that decides; null for the baseline. */
  lease: string | null;
  kind: 'boost' | 'pin' | 'cap' | null;
  because: Record<string, unknown>;
  /** The same in one line for people. */
  reason: string;
  /** Redis time in ms at which the answer changes next. */
  untilMs: number | null;
}

export type Achieved = Partial<Record<Profile, number>>;

/** Sets the frequencies of a profiler. One object serves one agent. */
export interface Driver {
  /** In the status. */
  readonly name: string;
  /** What it can raise, each once. */
  readonly profiles: readonly Profile[];
  /** Once, before the first `apply`: whose profiler it is. */
  identify?(attributes: Record<string, string>): void;
  /**
   * Sets all profiles; resolves when they are in force, with what they truly do if it can tell. What it throws is
   * reported, and it is called again after 1 s at first and 30 s at last. One call at a time.
   */
  apply(decisions: ReadonlyMap<Profile, Decision>): Achieved | void | null | Promise<Achieved | void | null>;
  /** For each status. */
  achieved?(): Achieved | null | undefined;
  /** Why what was confirmed does not hold any more, if so. */
  trouble?(): string | null | undefined;
  /** At the end; without it the baseline is applied. */
  close?(): void | Promise<void>;
}

export interface Logger {
  info(line: string): void;
  warn(line: string): void;
}

export interface Config {
  /** The controller's Redis; else `UPSHIFT_REDIS_URL`. */
  redisUrl?: string;
  /** Else `OTEL_SERVICE_NAME`, or `service.name` of `OTEL_RESOURCE_ATTRIBUTES`. */
  service?: string;
  /** What a lease's `where` can ask for, beside `OTEL_RESOURCE_ATTRIBUTES`. */
  attributes?: Record<string, string>;
  /** A driver, a function that sets `cpu`, or the name of one of ours; else `UPSHIFT_DRIVER`. */
  driver?: Driver | ((decision: Decision) => unknown) | 'pprof' | 'pyroscope';
  /** `cpu`'s Hz without any plan, 0 to 1000; else `UPSHIFT_BASELINE_HZ`, else 19. */
  baselineHz?: number;
  /** What no profile exceeds, 0 to 1000; else `UPSHIFT_MAX_HZ`. */
  maxHz?: number;
  /** Else `UPSHIFT_NAMESPACE`, else `upshift`. */
  namespace?: string;
  /** What plans must be signed with; else the lines of `UPSHIFT_SECRET_FILE`. */
  secrets?: string | Uint8Array | (string | Uint8Array)[];
  /** Of `rediss://`, such as `ca`. */
  tls?: ConnectionOptions;
  /** Else `console`. */
  logger?: Logger;
}

export interface Agent {
  readonly decisions: Partial<Record<Profile, Pick<Decision, 'hz' | 'lease' | 'reason' | 'untilMs'>>>;
  readonly status: Record<string, unknown>;
  readonly connected: boolean;
  /** Ends in good order: the report is taken back, the driver closed. Never rejects. */
  stop(): Promise<void>;
}

export class ConfigurationError extends Error {}

/** Starts an agent and returns at once; throws `ConfigurationError` where a setting is wrong. */
export function start(config?: Config): Agent;

/** One profile of one period, as gzipped pprof. */
export interface Window {
  profile: Profile;
  hz: number;
  pprof: Uint8Array;
  from: Date;
  until: Date;
  tags: Record<string, string>;
}

export interface PprofOptions {
  /** Pyroscope; else `PYROSCOPE_SERVER_ADDRESS`, else port 4040 of this machine. */
  serverAddress?: string;
  basicAuthUser?: string;
  basicAuthPassword?: string;
  tenantId?: string;
  /** Else the service. */
  applicationName?: string;
  /** Takes the windows in place of Pyroscope. */
  onWindow?: (window: Window) => void;
  /** Of a window, 10000 ms. */
  windowMs?: number;
}

/** `@datadog/pprof`, a window at a time: cpu, wall and heap. */
export class PprofDriver implements Driver {
  constructor(options?: PprofOptions);
  readonly name: string;
  readonly profiles: readonly Profile[];
  apply(decisions: ReadonlyMap<Profile, Decision>): Promise<Achieved>;
  close(): Promise<void>;
}

/** `@pyroscope/nodejs`: cpu. Takes the options of its `init` but `wall.samplingIntervalMicros`. */
export class PyroscopeDriver implements Driver {
  constructor(options?: Record<string, unknown>);
  readonly name: string;
  readonly profiles: readonly Profile[];
  apply(decisions: ReadonlyMap<Profile, Decision>): Promise<Achieved>;
  close(): Promise<void>;
}
