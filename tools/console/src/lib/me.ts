// Who looks, and what a page is given.
import type { Route } from './route';

export interface Me { tenantId: string; mode: 'local' | 'key'; keyId: string | null; role: string; scopes: string[]; user: string | null }
export interface PageProps { route: Route; me: Me }
export const may = (me: Me, scope: string) => me.scopes.includes(scope) || me.scopes.includes('*');
