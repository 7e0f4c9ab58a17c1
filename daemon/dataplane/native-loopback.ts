/** Types of the addon's loopback machine (addon/binding/loopback_machine.h). */

/** What one domain holds, as the loopback hypervisor counts it. */
export interface NativeDomainCounts {
  readonly domid: number;
  /** Pages granted to others, those included that a peer still maps after they were unshared. */
  readonly grants: number;
  /** Pages of others that are mapped. */
  readonly mappings: number;
  readonly eventChannels: number;
  /** Open hypercall connections. */
  readonly connections: number;
}

export interface NativeLoopbackMachine {
  /** Creates a domain; its hypercall socket is bound at `socketPath`. Throws with `code`. */
  introduce(domid: number, socketPath: string): void;
  /** Destroys a domain, as `xl destroy` does: connections dropped, no unmap-notify, no event. */
  destroy(domid: number): void;
  counts(): NativeDomainCounts[];
  close(): void;
}
