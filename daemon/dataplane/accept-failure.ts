/** Remedies for an accept(2) that fails: the data plane retries until it succeeds. */

/** By strerror(3) text, which is what the data plane reports. */
const REMEDIES: Readonly<Record<string, string>> = {
  'Too many open files':
    'out of descriptors: raise LimitNOFILE in the unit (systemctl edit xsockd)',
  'Too many open files in system': 'out of descriptors: raise the sysctl fs.file-max',
  'Cannot allocate memory': 'out of memory',
};

export interface AcceptFailure {
  readonly detail: string;
  readonly remedy?: string;
}

export function acceptFailure(detail: string): AcceptFailure {
  const remedy = REMEDIES[detail];
  return remedy === undefined ? { detail } : { detail, remedy };
}
